/**
 * Keeps secrets out of error texts: whatever a receiver, a socket or the runtime says passes here before it
 * becomes part of an `Outcome`.
 */

/** Replaces every secret, also in its URL-encoded and JSON forms, with `***`. Empty secrets are none. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let out = text;
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) {
    if (secret === "") continue;
    const forms = new Set([
      secret,
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
    ]);
    for (const form of forms) out = out.replaceAll(form, "***");
  }
  return out;
}

/**
 * The secrets that a URL itself holds: user, password, query values and the path of a webhook. Of the path's words
 * only those that look like tokens count, so that a text about "alerts" stays readable.
 */
export function secretsOfUrl(url: string): readonly string[] {
  const parsed = URL.parse(url);
  if (parsed === null) return [];
  const path = parsed.pathname.length > 1 ? parsed.pathname : "";
  const tokens = path.split("/").filter(looksLikeToken);
  const values = [...parsed.searchParams.values()].filter(looksLikeToken);
  const { username, password, search } = parsed;
  return [username, password, path + search, path, search, ...tokens, ...values];
}

function looksLikeToken(word: string): boolean {
  return word.length >= 20 || (word.length >= 6 && /[0-9]/.test(word));
}
