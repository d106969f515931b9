/** Sizes of configuration. */

/** Largest configuration file, bytes. A file of every section with comments is below 40 KiB. */
export const CONFIG_FILE_BYTES_MAX = 4 * 1024 * 1024;

/** Elements of one list section. */
export const LIST_ELEMENTS_MAX = 1000;
