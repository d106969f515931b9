/**
 * The whole configuration as one frozen object, typed from the declarations of its sections.
 *
 * Keys are spelled as in the file, so one word finds a setting everywhere: `config.http["bind-address"]`,
 * `config.slack[0]?.url`. Durations are nanoseconds.
 */

import type { SectionValue } from "./section.ts";
import type { globals } from "./sections/globals.ts";
import type { SECTIONS } from "./sections/registry.ts";

type Sections = {
  readonly [S in (typeof SECTIONS)[number] as S["name"]]: SectionValue<S>;
};

export type DaemonConfig = SectionValue<typeof globals> & Sections;
