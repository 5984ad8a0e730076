import { runImage } from "@varve/build";
import { parseEnvironment } from "../options/key-values.ts";
import { type RungFlags, rungChoice } from "../options/rung.ts";
import { parseVolume } from "../options/volume.ts";
import type { Session } from "../session.ts";
import { openRegistries } from "../registry-access.ts";

interface RunFlags extends RungFlags {
  readonly env?: readonly string[];
  readonly volume: readonly string[];
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly rm?: boolean;
  readonly name?: string;
  readonly workdir?: string;
  readonly user?: string;
  readonly entrypoint?: string;
  readonly network: "default" | "none" | "host";
  readonly insecureRegistry: readonly string[];
}

/** `varve run IMAGE [COMMAND…]`: the command's exit code is the program's. */
export async function runCommand(session: Session, image: string, args: readonly string[], flags: RunFlags): Promise<number> {
  await using registries = openRegistries(session, flags.insecureRegistry);
  const { exitCode, losses } = await runImage({
    image,
    args,
    env: parseEnvironment(flags.env ?? [], session.env),
    network: flags.network,
    home: session.home,
    registries,
    signal: session.signal,
    volumes: flags.volume.map((text) => parseVolume(text)),
    interactive: flags.interactive === true,
    terminal: flags.tty === true,
    ...(flags.rm === true ? {} : { keep: flags.name ?? true }),
    ...(flags.workdir === undefined ? {} : { workdir: flags.workdir }),
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.entrypoint === undefined ? {} : { entrypoint: flags.entrypoint }),
    ...rungChoice(flags, session),
  });
  for (const loss of losses) session.say(`varve: ${loss}\n`);
  return exitCode;
}
