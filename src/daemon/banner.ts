/** The picture on standard output that says: the daemon starts now. Our own drawing. */

export const BANNER = `
  _  __                     _ _
 | |/ /__ _ _ __  __ _  __ (_) |_ ___ _ _
 | ' </ _\` | '_ \\/ _\` |/ _|| |  _/ _ \\ '_|
 |_|\\_\\__,_| .__/\\__,_|\\__||_|\\__\\___/_|
           |_|
`;

/** \`2026/11/22 06:26:41 TEXT\`: lines of the start that come before the log exists. Local time. */
export function startupLine(ms: number, text: string): string {
  const at = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, "0");
  const date = `${at.getFullYear()}/${two(at.getMonth() + 1)}/${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${date} ${time} ${text}`;
}
