/**
 * What is wrong with the configuration: the operator's fault, nothing was started, retrying needs an edit.
 *
 * The message is one complete line for standard error. A mistake in the file names file, line, section and key
 * and says what was expected; mistakes of the environment and of values that contradict each other keep the
 * original's texts.
 */

export interface ConfigErrorOptions {
  /** The key as in the file, with its sub-tables: `headers.x`. */
  readonly key?: string;
  readonly section?: string;
  /** Where the value came from: a file with its line, or an environment variable. */
  readonly source?: string;
}

export class ConfigError extends Error {
  override name = "ConfigError";
  readonly section: string | undefined;
  readonly key: string | undefined;
  readonly source: string | undefined;

  constructor(message: string, options: ConfigErrorOptions = {}) {
    super(message);
    this.section = options.section;
    this.key = options.key;
    this.source = options.source;
  }
}

/** A place in the configuration: section, list index, key, sub-key. */
export type ConfigPath = readonly (string | number)[];

/** A value that its field refuses; the loader turns it into a `ConfigError` with file and line. */
export class FieldError extends Error {
  override name = "FieldError";
  readonly path: ConfigPath;

  constructor(path: ConfigPath, message: string) {
    super(message);
    this.path = path;
  }
}
