/** ALIVE: a member's own announcement. Only the member makes one; everybody may repeat it. */

import { defineMessage, type Profile, readVersion, type Version, writeVersion } from "./message.ts";
import { readProfile, writeProfile } from "./profile.ts";

export interface Alive {
  readonly kind: "alive";
  readonly version: Version;
  readonly profile: Profile;
}

export const alive = defineMessage<Alive>({
  number: 5,
  kind: "alive",
  encode(to, record, ids) {
    writeVersion(to, record.version);
    writeProfile(to, record.profile, ids);
  },
  decode: (from, ids) => ({
    kind: "alive",
    version: readVersion(from),
    profile: readProfile(from, ids),
  }),
});
