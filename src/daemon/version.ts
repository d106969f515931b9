/**
 * What this program calls itself. The build puts version and commit in; from source they read "dev".
 */

declare const BUILD_VERSION: string | undefined;
declare const BUILD_COMMIT: string | undefined;

/** The version of this program. */
export const VERSION: string = typeof BUILD_VERSION === "string" ? BUILD_VERSION : "dev";

/** Abbreviated commit of the sources. */
export const COMMIT: string = typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "unknown";

export const BRANCH = "main";

/** Shown where the original shows its edition. */
export const PLATFORM = "OSS";

/**
 * The version of the original whose API this is. Clients compare the `X-Kapacitor-Version` header, so it is
 * not our own version.
 */
export const API_LEVEL = "1.8.3";
