import { describe, expect, test } from "bun:test";
import { applyPatch } from "#http/json-patch.ts";
import { PATCH_OPERATIONS_MAX } from "#http/limits.ts";

describe("applyPatch", () => {
  // The first rows are the examples of RFC 6902, appendix A.
  test.each([
    [{ foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { baz: "qux", foo: "bar" }],
    [
      { foo: ["bar", "baz"] },
      [{ op: "add", path: "/foo/1", value: "qux" }],
      { foo: ["bar", "qux", "baz"] },
    ],
    [{ baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
    [{ foo: ["a", "b", "c"] }, [{ op: "remove", path: "/foo/1" }], { foo: ["a", "c"] }],
    [{ baz: "q" }, [{ op: "replace", path: "/baz", value: "boo" }], { baz: "boo" }],
    [
      { foo: { bar: "baz", waldo: "fred" }, qux: {} },
      [{ op: "move", from: "/foo/waldo", path: "/qux/thud" }],
      { foo: { bar: "baz" }, qux: { thud: "fred" } },
    ],
    [
      { foo: ["all", "grass", "cows", "eat"] },
      [{ op: "move", from: "/foo/1", path: "/foo/3" }],
      { foo: ["all", "cows", "eat", "grass"] },
    ],
    [{ foo: ["bar"] }, [{ op: "add", path: "/foo/-", value: ["x"] }], { foo: ["bar", ["x"]] }],
    [{ "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: 10 }], { "/": 9, "~1": 10 }],
    [{ a: { b: 1 } }, [{ op: "copy", from: "/a", path: "/c" }], { a: { b: 1 }, c: { b: 1 } }],
    [{ a: 1 }, [{ op: "replace", path: "", value: { b: 2 } }], { b: 2 }],
    [{ a: 1 }, [], { a: 1 }],
  ])("%j patched by %j is %j", (document, patch, result) => {
    const before = structuredClone(document);
    expect(applyPatch(document, patch)).toEqual({ kind: "done", document: result });
    expect(document as unknown).toEqual(before);
  });

  test.each([
    [{ op: "test", path: "/foo", value: "no" }, "testing value /foo failed"],
    [{ op: "add", path: "/x/y", value: 1 }, "missing value at /x/y"],
    [{ op: "remove", path: "/x" }, "missing value at /x"],
    [{ op: "replace", path: "/x", value: 1 }, "missing value at /x"],
    [{ op: "add", path: "/list/9", value: 1 }, "index out of range: 9"],
    [{ op: "add", path: "/list/01", value: 1 }, "index out of range: 01"],
    [{ op: "add", path: "foo", value: 1 }, "path must begin with a slash: foo"],
    [{ op: "add", path: "/foo" }, "add /foo needs a value"],
    [{ op: "move", path: "/foo" }, "move needs from"],
    [{ op: "move", from: "/deep", path: "/deep/er" }, "cannot move /deep into itself"],
    [{ op: "frob", path: "/foo" }, "unexpected kind: frob"],
  ])("%j fails", (operation, error) => {
    const document = { foo: "bar", list: [1], deep: {} };
    expect(applyPatch(document, [operation])).toEqual({ kind: "failed", error });
  });

  test.each([[{}], [[1]], [[{ path: "/a" }]], [[{ op: "remove" }]], ["x"], [null]])(
    "%j is not a patch",
    (patch) => {
      expect(applyPatch({}, patch).kind).toBe("malformed");
    },
  );

  test("the longest patch is applied, one more operation is refused", () => {
    const operation = { op: "add", path: "/a", value: 1 };
    const longest = Array.from({ length: PATCH_OPERATIONS_MAX }, () => operation);
    expect(applyPatch({}, longest).kind).toBe("done");
    expect(applyPatch({}, [...longest, operation]).kind).toBe("malformed");
  });

  test("a member called __proto__ is an ordinary member", () => {
    const result = applyPatch({}, [{ op: "add", path: "/__proto__", value: { polluted: true } }]);
    expect(Reflect.get({}, "polluted")).toBeUndefined();
    expect(JSON.stringify(result)).toContain('"__proto__":{"polluted":true}');
  });
});
