/** What a process finds programs by when nobody says. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/**
 * A RUN step's whole environment: what the plan gives (later wins), PATH when there is none, the predefined proxy arguments that were
 * given (facts 16, 37), secrets, HOME when there is none.
 */
export function runEnvironment(
  planned: readonly string[],
  additions: { readonly buildArgs: Readonly<Record<string, string>>; readonly secrets: ReadonlyMap<string, string>; readonly home: string },
): string[] {
  const env = new Map<string, string>();
  const setDefault = (name: string, value: string): void => void (env.has(name) || env.set(name, value));
  for (const pair of planned) {
    const equals = pair.indexOf("=");
    env.set(equals < 0 ? pair : pair.slice(0, equals), equals < 0 ? "" : pair.slice(equals + 1));
  }
  setDefault("PATH", DEFAULT_PATH);
  for (const [name, value] of Object.entries(additions.buildArgs)) {
    if (value === "" || !PROXIES.includes(name.toUpperCase())) continue;
    setDefault(name.toUpperCase(), value);
    setDefault(name.toLowerCase(), value);
  }
  for (const [name, value] of additions.secrets) env.set(name, value);
  setDefault("HOME", additions.home);
  return [...env].map(([name, value]) => `${name}=${value}`);
}
