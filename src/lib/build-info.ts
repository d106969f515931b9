/**
 * Which build this is. Version and commit are put in by the build; from source they are `0.0.0` and `dev`.
 *
 * Three numbers: the API level that clients compare, our own version, and the commit.
 */

declare const BUILD_VERSION: string | undefined;
declare const BUILD_COMMIT: string | undefined;

/** The level of the original's API that we implement; in `X-Kapacitor-Version`. */
export const API_VERSION = "1.8.3";

export const OWN_VERSION = typeof BUILD_VERSION === "string" ? BUILD_VERSION : "0.0.0";
export const OWN_COMMIT = typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "dev";
