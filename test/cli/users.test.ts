import { expect, test } from "bun:test";
import { UserService } from "#auth/user-service.ts";
import { createApp } from "#http/app.ts";
import { listen } from "#http/server.ts";
import { fakeServices } from "#test/http/fake-services.ts";
import { runCli } from "./support.ts";

test("users are added, granted, listed and removed by an administrator", async () => {
  const fakes = fakeServices({ authEnabled: true });
  const users = new UserService(fakes, 4);
  await users.create("root", { password: "x", type: "admin" });
  const server = listen(createApp({ ...fakes, users }), { host: "127.0.0.1", port: 0 });

  async function run(...args: string[]): Promise<string> {
    const { out, err, code } = await runCli(["kapacitor", ...args], {
      variables: {
        KAPACITOR_URL: `http://root:x@127.0.0.1:${server.port}`,
        KAPACITOR_USER_PASSWORD: "p",
      },
    });
    return `${out}${err}${code}`;
  }

  try {
    expect(await run("user", "add", "bob", "-permissions", "api,write_points")).toBe("0");
    expect(await users.verify("bob", "p")).toBeDefined();
    expect(await run("user", "grant", "bob", "-permissions=all")).toBe("0");
    expect(await run("user", "list")).toBe(
      "Name Type      Permissions\nbob  normal    all\nroot admin     \n0",
    );
    expect(await run("user", "add", "bob")).toBe("Error: user bob already exists\n3");
    expect(await run("user", "remove", "bob")).toBe("0");
    expect(await run("user", "list", "b*")).toBe("Name Type      Permissions\n0");
  } finally {
    await server.close(0, () => Promise.resolve());
  }
});
