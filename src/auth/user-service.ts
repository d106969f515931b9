/**
 * Users of this daemon: stored with a bcrypt hash, checked with a short memory.
 *
 * bcrypt is slow on purpose, and clients send their password with every request; so a password that was
 * right is remembered for an hour as a salted SHA-256, in memory only. Changing or deleting a user forgets
 * it at once. Equal checks that run at the same time share one. Source: http-api §11.
 *
 * Where there is an administrator there stays one: the last can be neither deleted nor made a normal user. While
 * there is none, everybody may create a user (`http/authenticate.ts`), so that nobody is locked out.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { jsonKind, put, remove, StorageError, type Store } from "#storage/store.ts";
import {
  PERMISSION_LENGTH_MAX,
  USER_CHANGES_WAITING_MAX,
  USER_NAME_LENGTH_MAX,
  USER_PERMISSIONS_MAX,
  USERS_MAX,
  VERIFICATIONS_MAX,
} from "./limits.ts";
import { collapse, isPermission, type Permission, type Principal } from "./permissions.ts";

/** How long a checked password is believed, and for how many users. */
export const PASSWORD_MEMORY_MS = 60 * 60 * 1000;
export const PASSWORD_MEMORY_USERS_MAX = 10_000;

/** bcrypt takes no more; a longer password is refused rather than cut. */
export const PASSWORD_BYTES_MAX = 72;

/** Random bytes in front of a remembered password. */
const SALT_BYTES = 16;

const NAME = /^[-._\p{L}0-9@]+$/u;

const StoredUserSchema = Type.Object({
  name: Type.String(),
  isAdmin: Type.Boolean(),
  permissions: Type.Array(Type.String()),
  hash: Type.String(),
});

/** A user as stored. The hash never leaves this room. */
type StoredUser = Readonly<Static<typeof StoredUserSchema>>;

export const userKind = jsonKind<StoredUser>("users", (input) => {
  if (!Value.Check(StoredUserSchema, input)) throw new StorageError("stored user cannot be read");
  return input;
});

/**
 * A refused request about users; nothing was changed. `missing`: no such user; `invalid`: the request's fault;
 * `busy`: too much at once, try again.
 */
export class UserError extends Error {
  override name = "UserError";
  readonly reason: "invalid" | "missing" | "busy";

  constructor(reason: "invalid" | "missing" | "busy", message: string) {
    super(message);
    this.reason = reason;
  }
}

/** What a request says; absent members stay as they are. */
export interface UserChange {
  readonly password?: string;
  readonly type?: "normal" | "admin";
  readonly permissions?: readonly string[];
}

export interface UserServices {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
}

interface Remembered {
  readonly hash: string;
  readonly salt: Uint8Array;
  readonly digest: Buffer;
  readonly untilMs: number;
}

export class UserService {
  readonly #services: UserServices;
  readonly #cost: number;
  readonly #memory = new Map<string, Remembered>();
  readonly #checks = new Map<string, Promise<boolean>>();
  /** Tells equal checks from others without keeping a password. */
  readonly #salt: Uint8Array;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** `bcryptCost` 4 … 31. */
  constructor(services: UserServices, bcryptCost: number) {
    this.#services = services;
    this.#cost = bcryptCost;
    this.#salt = services.random.bytes(SALT_BYTES);
  }

  /** False until the first administrator was created. */
  hasAdmin(): boolean {
    return this.#admins().length > 0;
  }

  get(name: string): Principal | undefined {
    const user = this.#stored(name);
    return user === undefined ? undefined : principalOf(user);
  }

  /** By name. */
  list(): readonly Principal[] {
    return this.#services.store
      .table(userKind)
      .entries()
      .map(([, user]) => principalOf(user));
  }

  /** Throws `UserError` when the name is taken or anything is wrong with the request. */
  create(name: string, change: UserChange): Promise<Principal> {
    return this.#change(async () => {
      checkName(name);
      const { password = "", type = "normal" } = change;
      if (password === "") throw invalid("password is required");
      const permissions = readPermissions(change.permissions ?? []);
      if (this.#stored(name) !== undefined) throw invalid(`user ${name} already exists`);
      if (this.#services.store.table(userKind).count() >= USERS_MAX)
        throw invalid(`at most ${USERS_MAX} users are kept`);
      const isAdmin = type === "admin";
      const hash = await this.#hash(password);
      return this.#save({ name, isAdmin, permissions: isAdmin ? [] : [...permissions], hash });
    });
  }

  /** Throws `UserError`. */
  update(name: string, change: UserChange): Promise<Principal> {
    return this.#change(async () => {
      const { password = "", type } = change;
      const old = this.#stored(name);
      if (old === undefined) throw new UserError("missing", "no user exists");
      const isAdmin = type === undefined ? old.isAdmin : type === "admin";
      if (!isAdmin) this.#keepAdmin(old, "made a normal user");
      const permissions =
        change.permissions === undefined ? old.permissions : readPermissions(change.permissions);
      const hash = password === "" ? old.hash : await this.#hash(password);
      return this.#save({ name, isAdmin, permissions: isAdmin ? [] : [...permissions], hash });
    });
  }

  /** A missing one is fine. Throws `UserError` for the last administrator. */
  delete(name: string): Promise<void> {
    return this.#change(async () => {
      const old = this.#stored(name);
      if (old === undefined) return;
      this.#keepAdmin(old, "deleted");
      this.#memory.delete(name);
      await this.#services.store.commit([remove(userKind, name)]);
    });
  }

  /**
   * The user, when name and password belong together. Takes as long for unknown names as for known. Throws
   * `UserError` `busy` when too many different passwords are being checked.
   */
  async verify(name: string, password: string): Promise<Principal | undefined> {
    const user = this.#stored(name);
    if (password === "" || Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return undefined;
    if (user !== undefined && this.#remembers(user, password)) return principalOf(user);
    const isRight = await this.#checked(password, user);
    const now = this.#stored(name);
    // The user may have been changed or deleted while the password was checked.
    if (!isRight || user === undefined || now?.hash !== user.hash) return undefined;
    this.#remember(now, password);
    return principalOf(now);
  }

  #checked(password: string, user: StoredUser | undefined): Promise<boolean> {
    const key = `${user?.hash ?? ""} ${digest(this.#salt, password).toString("hex")}`;
    const running = this.#checks.get(key);
    if (running !== undefined) return running;
    if (this.#checks.size >= VERIFICATIONS_MAX)
      throw new UserError("busy", "too many passwords are being verified, try again later");
    const check = this.#check(password, user?.hash).finally(() => this.#checks.delete(key));
    this.#checks.set(key, check);
    return check;
  }

  async #check(password: string, hash: string | undefined): Promise<boolean> {
    const wanted = hash ?? (await this.#decoy());
    try {
      return await Bun.password.verify(password, wanted, "bcrypt");
    } catch {
      // A stored hash that bcrypt does not understand lets nobody in.
      return false;
    }
  }

  #admins(): readonly StoredUser[] {
    const rows = this.#services.store.table(userKind).entries();
    return rows.map(([, user]) => user).filter((user) => user.isAdmin);
  }

  #keepAdmin(user: StoredUser, what: string): void {
    if (user.isAdmin && this.#admins().length === 1)
      throw invalid(`the last admin cannot be ${what}`);
  }

  /** One change after the other, so that what was checked still holds when it is stored. */
  async #change<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= USER_CHANGES_WAITING_MAX)
      throw new UserError(
        "busy",
        `too many changes of users are waiting, at most ${USER_CHANGES_WAITING_MAX} may`,
      );
    this.#waiting++;
    const mine = this.#tail.then(work);
    this.#tail = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }

  #stored(name: string): StoredUser | undefined {
    return this.#services.store.table(userKind).get(name);
  }

  async #save(user: StoredUser): Promise<Principal> {
    this.#memory.delete(user.name);
    await this.#services.store.commit([put(userKind, user.name, user)]);
    return principalOf(user);
  }

  #hash(password: string): Promise<string> {
    if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
      throw invalid(`password must not exceed ${PASSWORD_BYTES_MAX} bytes`);
    }
    return Bun.password.hash(password, { algorithm: "bcrypt", cost: this.#cost });
  }

  #decoyHash: Promise<string> | undefined;

  #decoy(): Promise<string> {
    this.#decoyHash ??= Bun.password.hash("nobody", { algorithm: "bcrypt", cost: this.#cost });
    return this.#decoyHash;
  }

  #remembers(user: StoredUser, password: string): boolean {
    const known = this.#memory.get(user.name);
    if (known === undefined || known.hash !== user.hash) return false;
    if (known.untilMs < this.#services.clock.monoMs()) return false;
    return timingSafeEqual(digest(known.salt, password), known.digest);
  }

  #remember(user: StoredUser, password: string): void {
    if (this.#memory.size >= PASSWORD_MEMORY_USERS_MAX) this.#memory.clear();
    const salt = this.#services.random.bytes(SALT_BYTES);
    this.#memory.set(user.name, {
      hash: user.hash,
      salt,
      digest: digest(salt, password),
      untilMs: this.#services.clock.monoMs() + PASSWORD_MEMORY_MS,
    });
  }
}

function digest(salt: Uint8Array, password: string): Buffer {
  return createHash("sha256").update(salt).update(password).digest();
}

function checkName(name: string): void {
  if (name === "") throw invalid("username is required");
  if (name.length > USER_NAME_LENGTH_MAX)
    throw invalid(`username must not be longer than ${USER_NAME_LENGTH_MAX} characters`);
  if (NAME.test(name)) return;
  const rule = "username must contain only letters, numbers, '-', '.', '@' and '_'.";
  throw invalid(`${rule} ${JSON.stringify(name)}`);
}

function invalid(message: string): UserError {
  return new UserError("invalid", message);
}

function readPermissions(words: readonly string[]): readonly Permission[] {
  if (words.length > USER_PERMISSIONS_MAX)
    throw invalid(`invalid permissions: at most ${USER_PERMISSIONS_MAX} may be given`);
  const permissions = words.map((word) => {
    if (isPermission(word) && word.length <= PERMISSION_LENGTH_MAX) return word;
    throw invalid(`invalid permissions: ${word.slice(0, PERMISSION_LENGTH_MAX)}`);
  });
  return collapse(permissions);
}

function principalOf(user: StoredUser): Principal {
  const { name, isAdmin } = user;
  return { name, isAdmin, permissions: user.permissions.filter(isPermission) };
}
