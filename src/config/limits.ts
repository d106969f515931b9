/** Sizes of configuration. */

/** Largest configuration file, bytes. A file of every section with comments is below 40 KiB. */
export const CONFIG_FILE_BYTES_MAX = 4 * 1024 * 1024;

/** Elements of one list section. */
export const LIST_ELEMENTS_MAX = 1000;

/** Changes through the API waiting for the one at work; the next one is refused. */
export const UPDATES_WAITING_MAX = 64;

/** How long one running part may take to accept a changed section, ms; then the change is taken back. */
export const LISTENER_MS_MAX = 10_000;
