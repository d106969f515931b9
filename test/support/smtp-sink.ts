/**
 * A small mail server for tests: takes mails, with STARTTLS, implicit TLS, AUTH PLAIN and LOGIN, and any answer a test
 * wants to any command.
 *
 * STARTTLS hands the raw bytes on to an inner TLS server, which speaks the same protocol over them.
 */

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

export interface SinkMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body as sent, without the dot stuffing. */
  readonly text: string;
  readonly secure: boolean;
  /** Who authenticated; empty = nobody. */
  readonly user: string;
  /** Which connection it came over, counted from 1. */
  readonly connection: number;
}

export interface SinkOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
  /** `starttls` when a certificate is given, unless it says otherwise. */
  readonly mode?: "plain" | "starttls" | "implicit";
  /** Mechanisms offered; `PLAIN LOGIN` when `accounts` is given. */
  readonly auth?: string;
  readonly accounts?: Readonly<Record<string, string>>;
  /** More lines of the EHLO answer, e.g. `PIPELINING`. */
  readonly extensions?: readonly string[];
  /** Where it listens; default 127.0.0.1. */
  readonly host?: string;
}

/** `hang` = no answer at all, `close` = the connection ends. */
export type SinkAnswer = string | "hang" | "close" | undefined;

export class SmtpSink {
  readonly mails: SinkMail[] = [];
  /** Every command line, without what follows AUTH. */
  readonly commands: string[] = [];
  connections = 0;
  /** Connections that have ended. */
  ended = 0;
  /** Asked for each command, and `.` for the mail itself; `undefined` = the usual answer. */
  answer: (command: string) => SinkAnswer = () => undefined;
  readonly #options: SinkOptions;
  readonly #outer: Server;
  readonly #inner: Server | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: (() => void)[] = [];

  private constructor(options: SinkOptions) {
    this.#options = options;
    const { tls } = options;
    const isImplicit = options.mode === "implicit";
    const secure = tls && createTlsServer(tls, (socket) => this.#serve(socket, true, isImplicit));
    this.#inner = isImplicit ? undefined : secure;
    this.#outer = isImplicit && secure ? secure : createServer((s) => this.#serve(s, false, true));
    secure?.on("tlsClientError", () => {});
  }

  static async open(options: SinkOptions = {}): Promise<SmtpSink> {
    const sink = new SmtpSink(options);
    const host = options.host ?? "127.0.0.1";
    for (const server of [sink.#outer, sink.#inner]) {
      await new Promise<void>((done) => server?.listen(0, host, done) ?? done());
    }
    return sink;
  }

  get port(): number {
    return portOf(this.#outer);
  }

  /** Resolves when `condition` holds; looked at after every command and every end of a connection. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#outer.close();
    this.#inner?.close();
  }

  /** Ends every connection, as a server does with idle ones. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #serve(socket: Socket, secure: boolean, greets: boolean): void {
    this.#sockets.add(socket);
    if (greets) this.connections++;
    const state = new Session(this.connections, secure);
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#sockets.delete(socket);
      if (greets) this.ended++;
      this.#changed();
    });
    socket.on("data", (chunk: Buffer) => {
      if (state.tunnel !== undefined) {
        state.tunnel.write(chunk);
        return;
      }
      state.buffer += chunk.toString("latin1");
      this.#read(socket, state);
    });
    if (greets) this.#say(socket, this.answer("greeting") ?? "220 sink ready");
  }

  #read(socket: Socket, state: Session): void {
    for (;;) {
      const end = state.isInData ? state.buffer.indexOf("\r\n.\r\n") : state.buffer.indexOf("\r\n");
      if (end < 0) return;
      const text = state.buffer.slice(0, end);
      state.buffer = state.buffer.slice(end + (state.isInData ? 5 : 2));
      if (state.isInData) this.#take(socket, state, text);
      else this.#command(socket, state, text);
      this.#changed();
    }
  }

  #take(socket: Socket, state: Session, text: string): void {
    state.isInData = false;
    const wanted = this.answer(".");
    if (wanted === undefined) {
      const { from, to, secure, user, connection } = state;
      const whole = Buffer.from(`${text}\r\n`.replace(/^\.\./gm, "."), "latin1").toString("utf8");
      this.mails.push({ from, to, text: whole, secure, user, connection });
    }
    state.to = [];
    this.#say(socket, wanted ?? "250 queued");
  }

  #command(socket: Socket, state: Session, line: string): void {
    const verb = state.login !== undefined ? "LOGIN" : (line.split(/[ :]/)[0] ?? "").toUpperCase();
    this.commands.push(verb === "AUTH" ? line.split(" ").slice(0, 2).join(" ") : verb);
    const wanted = this.answer(state.login !== undefined ? verb : line);
    if (wanted !== undefined) {
      this.#say(socket, wanted);
      return;
    }
    switch (verb) {
      case "EHLO":
        this.#say(socket, this.#features(state.secure));
        return;
      case "STARTTLS":
        this.#say(socket, "220 go ahead");
        this.#tunnel(socket, state);
        return;
      case "AUTH":
        this.#authenticate(socket, state, line);
        return;
      case "LOGIN":
        this.#login(socket, state, line);
        return;
      case "MAIL":
        state.from = addressIn(line);
        state.to = [];
        break;
      case "RCPT":
        if (state.from !== "") state.to = [...state.to, addressIn(line)];
        break;
      case "DATA":
        if (state.to.length === 0) break;
        state.isInData = true;
        this.#say(socket, "354 go on");
        return;
      case "QUIT":
        this.#say(socket, "221 bye");
        socket.end();
        return;
    }
    this.#say(socket, verb === "DATA" ? "503 no recipients" : "250 ok");
  }

  #features(secure: boolean): string {
    const { tls, mode, accounts, extensions = [] } = this.#options;
    const offersTls = tls !== undefined && mode !== "plain" && !secure;
    const auth = this.#options.auth ?? (accounts === undefined ? undefined : "PLAIN LOGIN");
    const lines = [
      "sink",
      ...extensions,
      ...(offersTls ? ["STARTTLS"] : []),
      ...(auth === undefined ? [] : [`AUTH ${auth}`]),
      "SIZE 1000000",
    ];
    return lines.map((line, i) => `250${i === lines.length - 1 ? " " : "-"}${line}`).join("\r\n");
  }

  #tunnel(socket: Socket, state: Session): void {
    if (this.#inner === undefined) throw new Error("STARTTLS without a certificate");
    const inner = connect(portOf(this.#inner), this.#options.host ?? "127.0.0.1");
    state.tunnel = inner;
    inner.on("error", () => {});
    inner.on("data", (chunk: Buffer) => socket.write(chunk));
    inner.on("close", () => socket.destroy());
    socket.on("close", () => inner.destroy());
  }

  #authenticate(socket: Socket, state: Session, line: string): void {
    const [, mechanism = "", initial = ""] = line.split(" ");
    if (mechanism === "LOGIN") {
      state.login = [];
      this.#say(socket, "334 VXNlcm5hbWU6");
      return;
    }
    const [, user = "", password = ""] = Buffer.from(initial, "base64").toString().split("\0");
    this.#judge(socket, state, user, password);
  }

  #login(socket: Socket, state: Session, line: string): void {
    const given = [...(state.login ?? []), Buffer.from(line, "base64").toString()];
    state.login = given.length < 2 ? given : undefined;
    const [user = "", password = ""] = given;
    if (given.length < 2) this.#say(socket, "334 UGFzc3dvcmQ6");
    else this.#judge(socket, state, user, password);
  }

  #judge(socket: Socket, state: Session, user: string, password: string): void {
    const isRight = this.#options.accounts?.[user] === password;
    if (isRight) state.user = user;
    this.#say(socket, isRight ? "235 welcome" : `535 5.7.8 wrong password ${password}`);
  }

  #say(socket: Socket, answer: string): void {
    if (answer === "hang") return;
    if (answer === "close") socket.destroy();
    else socket.write(`${answer}\r\n`);
  }
}

class Session {
  buffer = "";
  isInData = false;
  from = "";
  to: readonly string[] = [];
  user = "";
  login: readonly string[] | undefined;
  tunnel: Socket | undefined;
  readonly connection: number;
  readonly secure: boolean;

  constructor(connection: number, secure: boolean) {
    this.connection = connection;
    this.secure = secure;
  }
}

function addressIn(line: string): string {
  return /<([^>]*)>/.exec(line)?.[1] ?? "";
}

function portOf(server: Server): number {
  const address = server.address() as AddressInfo;
  return address.port;
}
