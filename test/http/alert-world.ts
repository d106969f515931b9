/** The API over the real alert service, with one kind whose sends the test answers. */

import { SilenceService } from "#alert/silence-service.ts";
import { type App, createApp } from "#http/app.ts";
import { StoredSilences } from "#storage/stored-silences.ts";
import { bench, FakeKind } from "../alert/support.ts";
import { fakeServices } from "./fake-services.ts";

export interface AlertWorld {
  readonly app: App;
  readonly fake: FakeKind;
  readonly alerts: ReturnType<typeof bench>;
  readonly silences: SilenceService;
}

/** Starts at 2020-09-13T12:26:40Z. */
export function alertWorld(): AlertWorld {
  const fake = new FakeKind();
  const alerts = bench([fake.kind()]);
  const fakes = fakeServices();
  const { clock, service } = alerts;
  const silences = new SilenceService({
    silences: service.silences,
    store: new StoredSilences(fakes.store),
    ...{ clock, random: fakes.random, log: fakes.log, self: () => "m1" },
  });
  const services = { ...fakes, clock, topics: service, delivery: service, silences };
  return { app: createApp(services), fake, alerts, silences };
}
