/**
 * Sends HTML mail over SMTP: one connection, one mail at a time, closed when idle.
 *
 * EHLO, then STARTTLS whenever the server offers it (or TLS from the first byte), then AUTH when a user is set and the
 * server knows AUTH. All recipients share one mail. A connection on which a mail failed is not used again.
 */

import type SMTPConnection from "nodemailer/lib/smtp-connection";
import type { Clock } from "#lib/clock.ts";
import { numberOf, refusal, SendError, textOf, trouble, troubleText } from "./send-error.ts";
import { abortable, SharedConnection } from "./shared-connection.ts";

export interface SmtpSettings {
  readonly host: string;
  readonly port: number;
  /** Speak TLS from the first byte. */
  readonly implicitTls: boolean;
  /** Empty = no AUTH. */
  readonly username: string;
  readonly password: string;
  /** Accept any certificate. */
  readonly insecureSkipVerify: boolean;
  readonly idleMs: number;
}

export interface Mail {
  readonly from: string;
  /** At least one. */
  readonly to: readonly string[];
  readonly subject: string;
  readonly html: string;
  /** The left part of the Message-ID. Equal for repetitions of one mail, so that receivers can tell. */
  readonly id: string;
}

/** Name look-up, connecting, TLS and greeting together, ms. */
const CONNECT_TIMEOUT_MS = 15_000;

/** Silence of the server after which a connection is given up, ms. */
const SILENCE_TIMEOUT_MS = 25_000;

/** How long the server may take to answer QUIT, ms. */
const QUIT_TIMEOUT_MS = 2_000;

/** The longest answer read, bytes. */
const ANSWER_BYTES_MAX = 65_536;

export class SmtpClient {
  readonly #settings: SmtpSettings;
  readonly #clock: Clock;
  readonly #shared: SharedConnection<SMTPConnection>;
  /** Settles when the mail last queued is done. */
  #lastMail: Promise<unknown> = Promise.resolve();

  constructor(settings: SmtpSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#shared = new SharedConnection({
      clock,
      idleMs: settings.idleMs,
      open: () => this.#open(),
      close: (connection) => this.#quit(connection),
      isAlive: (connection) => !connection.destroyed,
    });
  }

  /** Resolves when the server took the mail for all recipients; else throws `SendError` or the signal's reason. */
  async send(mail: Mail, signal: AbortSignal): Promise<void> {
    const turn = Promise.withResolvers<void>();
    const before = this.#lastMail;
    this.#lastMail = before.then(() => turn.promise);
    try {
      await abortable(before, signal);
      const message = await this.#compose(mail);
      await this.#shared.use((connection) => this.#hand(connection, mail, message, signal), signal);
    } finally {
      turn.resolve();
    }
  }

  /** Waits for mails under way, then says QUIT. */
  close(): Promise<void> {
    return this.#shared.close();
  }

  async #open(): Promise<SMTPConnection> {
    const { default: Connection } = await import("nodemailer/lib/smtp-connection");
    const { host, port, implicitTls, insecureSkipVerify, username } = this.#settings;
    const connection = new Connection({
      ...{ host, port, secure: implicitTls },
      tls: { rejectUnauthorized: !insecureSkipVerify },
      connectionTimeout: CONNECT_TIMEOUT_MS,
      dnsTimeout: CONNECT_TIMEOUT_MS,
      greetingTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_TIMEOUT_MS,
      maxResponseSize: ANSWER_BYTES_MAX,
      allowInternalNetworkInterfaces: true,
    });
    try {
      await connected(connection);
      if (username !== "" && connection.allowsAuth) await this.#authenticate(connection);
      return connection;
    } catch (error) {
      connection.close();
      throw asSendError(error);
    }
  }

  async #authenticate(connection: SMTPConnection): Promise<void> {
    const { username, password, host } = this.#settings;
    if (!connection.secure && !isLocal(host)) {
      throw refusal("the server offers no TLS, and the password is not sent unencrypted");
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    connection.once("error", reject);
    connection.login({ user: username, pass: password }, (error) =>
      error ? reject(error) : resolve(),
    );
    await promise.finally(() => connection.off("error", reject));
  }

  async #compose(mail: Mail): Promise<Buffer> {
    const { default: MimeNode } = await import("nodemailer/lib/mime-node");
    const domain = /@([^\s<>@]+)>?\s*$/.exec(mail.from)?.[1] ?? "localhost";
    const node = new MimeNode("text/html; charset=UTF-8", {
      disableFileAccess: true,
      disableUrlAccess: true,
      newline: "\r\n",
      normalizeHeaderKey: (key) => (key === "MIME-Version" ? "Mime-Version" : key),
    });
    node.setHeader([
      { key: "MIME-Version", value: "1.0" },
      { key: "Date", value: new Date(this.#clock.now().ms) },
      { key: "From", value: mail.from },
      { key: "To", value: [...mail.to] },
      { key: "Subject", value: mail.subject },
      { key: "Message-ID", value: `<${mail.id}@${domain}>` },
      { key: "Content-Transfer-Encoding", value: "quoted-printable" },
    ]);
    node.setContent(mail.html);
    return node.build();
  }

  async #hand(
    connection: SMTPConnection,
    { from, to }: Mail,
    message: Buffer,
    signal: AbortSignal,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    const fail = (error: unknown): void => reject(asSendError(error));
    // A refusal that made the library hang up is told right after the end; it says more.
    const end = (): void => queueMicrotask(() => reject(trouble("connection closed")));
    connection.once("error", fail);
    connection.once("end", end);
    const envelope = { from: bareAddress(from), to: to.map(bareAddress), size: message.length };
    connection.send(envelope, message, (error, info) => {
      if (error) fail(error);
      else if (info.rejected.length > 0) reject(refusedRecipients(info));
      else resolve(info.accepted);
    });
    try {
      await abortable(promise, signal);
    } catch (error) {
      // The conversation is in the middle of something; only a new one is in a known state.
      connection.close();
      this.#shared.discard(connection);
      throw error;
    } finally {
      connection.off("error", fail);
      connection.off("end", end);
    }
  }

  #quit(connection: SMTPConnection): Promise<void> {
    if (connection.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#clock.after(QUIT_TIMEOUT_MS, () => connection.close());
      connection.once("end", () => {
        cancel();
        resolve();
      });
      connection.quit();
    });
  }
}

function connected(connection: SMTPConnection): Promise<void> {
  return new Promise((resolve, reject) => {
    // Stays: an error without a listener would be thrown at the whole process.
    connection.on("error", reject);
    connection.once("end", () => reject(trouble("connection closed")));
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
}

interface Sent {
  readonly accepted: readonly string[];
  readonly rejected: readonly string[];
  readonly rejectedErrors?: readonly Error[] | undefined;
}

/** The others have got the mail already: repeating it would send it to them again. */
function refusedRecipients({ accepted, rejected, rejectedErrors = [] }: Sent): SendError {
  const why = rejectedErrors.map((error) => textOf(error, "response")).join("; ");
  return refusal(
    `accepted for ${accepted.length} recipients, refused for ${rejected.join(", ")}: ${why}`,
  );
}

function asSendError(error: unknown): SendError {
  if (error instanceof SendError) return error;
  const status = numberOf(error, "responseCode");
  if (status !== undefined) {
    const answer = textOf(error, "response");
    // 421 and 503 are about this connection, other 5xx about the mail or the account.
    const final = status >= 500 && status !== 503;
    return final ? refusal(answer, error) : trouble(answer, error);
  }
  const code = textOf(error, "code");
  const final = code === "EMESSAGE" || code === "EENVELOPE" || code === "EAUTH";
  return final ? refusal(troubleText(error), error) : trouble(troubleText(error), error);
}

/** The address in `Name <address>`. */
function bareAddress(address: string): string {
  return /<([^<>]*)>\s*$/.exec(address)?.[1] ?? address.trim();
}

function isLocal(host: string): boolean {
  return host === "localhost" || host === "127.0.0.1" || host === "::1";
}
