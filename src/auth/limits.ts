/** Bounds of users and credentials. Beyond each, the request is refused with a text that names it. */

/** Local users; a directory service is the place for more. */
export const USERS_MAX = 10_000;

/** Longest user name, UTF-16 units. */
export const USER_NAME_LENGTH_MAX = 255;

/** Permissions given to one user: databases it may write to, mostly. */
export const USER_PERMISSIONS_MAX = 1000;

/** Longest permission, UTF-16 units. */
export const PERMISSION_LENGTH_MAX = 300;

/** Changes of users waiting for the one at work. */
export const USER_CHANGES_WAITING_MAX = 64;

/** Distinct passwords being verified at once; each keeps a thread busy for tens of milliseconds. */
export const VERIFICATIONS_MAX = 64;

/** Longest bearer token, characters. */
export const BEARER_LENGTH_MAX = 16 * 1024;

/** Longest subscription token, characters: a name of an InfluxDB and 64 random bytes in base64. */
export const SUBSCRIPTION_TOKEN_LENGTH_MAX = 4096;

/** Subscription tokens kept: two per subscription that can exist. */
export const SUBSCRIPTION_TOKENS_MAX = 20_000;
