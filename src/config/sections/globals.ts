/** The keys above the first section. */

import { flag, text } from "../field.ts";
import { defineSection } from "../section.ts";

/** Not a section of the file: its keys stand at the top level. */
export const globals = defineSection({
  name: "",
  doc: "Names and places of this daemon.",
  fields: {
    hostname: text("localhost", {
      doc: "How others reach this daemon: used in subscriptions, alerts and statistics.",
    }),
    data_dir: text("", { doc: "Directory of cluster.id and server.id; created when missing." }),
    "skip-config-overrides": flag(false, { doc: "Ignore overrides stored through the API." }),
    "default-retention-policy": text("", { doc: "Retention policy of writes that name none." }),
  },
  validate([element]) {
    if (element?.hostname === "") return "must configure valid hostname";
    if (element?.data_dir === "") return "must configure valid data dir";
    return undefined;
  },
});
