/** What each permission opens, and how lists of them are kept. */

import { expect, test } from "bun:test";
import {
  administrator,
  collapse,
  isAllowed,
  isPermission,
  mayWriteTo,
  type Permission,
  type Privilege,
} from "#auth/permissions.ts";

const user = (...permissions: Permission[]) => ({ name: "bob", isAdmin: false, permissions });

test.each<[string, boolean]>([
  ["api", true],
  ["none", true],
  ["write_points:telegraf", true],
  ["write_points: ", true],
  ["write_points:", false],
  ["write_points:a:b", true],
  ["read_points:telegraf", false],
  ["", false],
  ["API", false],
])("is %j a permission? %p", (word, is) => {
  expect(isPermission(word)).toBe(is);
});

test.each<[Permission[], readonly Permission[]]>([
  [[], []],
  [["none"], []],
  [
    ["write_points", "api", "none", "api"],
    ["api", "write_points"],
  ],
  [["api", "write_points", "config_api"], ["all"]],
  [["all", "write_points:a"], ["all"]],
  [
    ["write_points:b", "write_points:a", "api", "write_points:b"],
    ["api", "write_points:a", "write_points:b"],
  ],
  [["write_points:a", "write_points"], ["write_points"]],
  [
    ["api", "config_api", "write_points:a"],
    ["api", "config_api", "write_points:a"],
  ],
])("%j is kept as %j", (given, kept) => {
  expect(collapse(given)).toEqual(kept);
});

/** Permission, privilege, path, whether it is enough. */
const OPENS: readonly (readonly [Permission, Privilege, string, boolean])[] = [
  ["none", "read", "/ping", false],
  ["api", "read", "/ping", true],
  ["config_api", "read", "/ping", true],
  ["write_points", "read", "/ping", true],
  ["write_points:a", "read", "/ping", true],
  ["api", "delete", "/tasks/x", true],
  ["api", "write", "/write", false],
  ["api", "read", "/config/smtp", false],
  ["api", "read", "/users", true],
  ["api", "write", "/users", false],
  ["all", "write", "/users/bob", false],
  ["all", "write", "/config/smtp/", true],
  ["config_api", "write", "/config/smtp/", true],
  ["config_api", "read", "/tasks", false],
  ["write_points", "write", "/write", true],
  ["write_points:a", "write", "/write", true],
  ["write_points:a", "read", "/tasks", false],
  ["api", "read", "/debug/pprof/heap", true],
  ["write_points", "read", "/debug/vars", false],
];
test.each(OPENS)("with %s, %s of %s: %p", (permission, privilege, path, opens) => {
  expect(isAllowed(user(permission), privilege, path)).toBe(opens);
  expect(isAllowed(administrator("root"), privilege, path)).toBe(true);
});

test.each<[Permission, boolean, boolean]>([
  ["all", true, true],
  ["write_points", true, true],
  ["write_points:telegraf", true, false],
  ["write_points:telegra", false, false],
  ["write_points:telegraf/autogen", false, false],
  ["api", false, false],
])("%s lets write to telegraf: %p, to other: %p", (permission, telegraf, other) => {
  const bob = user(permission);
  expect([mayWriteTo(bob, "telegraf"), mayWriteTo(bob, "other")]).toEqual([telegraf, other]);
  expect(mayWriteTo(administrator("root"), "other")).toBe(true);
});
