import { Command, CommanderError, Option } from "commander";
import type { Session } from "./session.ts";
import { readVersion, VERSION_FLAGS } from "./version.ts";

/** The command line, ready to run. */
export interface Program {
  /** Resolves to the exit code; throws what the command throws, and CommanderError for a line it can't understand (already printed). */
  run(args: readonly string[]): Promise<number>;
}

/** What commander parsed; the command that declared the options states their shape. */
type Flags = Parameters<Parameters<Command["action"]>[0]>[number];

const collect = (value: string, previous: readonly string[] | undefined): string[] => [...(previous ?? []), value];
const list = (flags: string, description: string): Option => new Option(flags, description).argParser(collect).default([] as string[], "");

const SERVE_HELP = `
Every image of the store is served by its path, whatever its host:
  app:1, library/app:1   docker.io/library/app:1
  team/tool:2            quay.io/team/tool:2, or localhost:5000/team/tool:2
Where several hosts have the same path, what was pushed to this server comes
first, then loopback registries, Docker Hub, the others by name.
A push is an image of the store that is named after the server:
127.0.0.1:5000/app:1. Other names never move.
`;

/** All that a build's result depends on. */
function withBuildInputs(command: Command): Command {
  return command
    .option("-f, --file <path>", "the Dockerfile (default: CONTEXT/Dockerfile; - is stdin)")
    .addOption(list("--build-arg <NAME=value>", "set an ARG (repeatable)"))
    .addOption(list("--label <NAME=value>", "set a label (repeatable)"))
    .option("--target <stage>", "build this stage")
    .option("--pull", "ask the registry for base images even when the store has them")
    .addOption(new Option("--progress <how>", "auto, plain, tty, rawjson or quiet").choices(["auto", "plain", "tty", "rawjson", "quiet"]).default("auto"))
    .addOption(new Option("--network <mode>", "network of RUN").choices(["default", "none", "host"]).default("default"))
    .addOption(list("--secret <id=…,src=…>", "a secret for RUN --mount=type=secret (repeatable)"))
    .addOption(list("--ssh <default|id=socket>", "an ssh agent for RUN --mount=type=ssh (repeatable)"))
    .addOption(list("--build-context <name=source>", "a named context (repeatable)"))
    .addOption(list("--allow <entitlement>", "security.insecure: what RUN may ask for (repeatable)"))
    .addOption(list("--add-host <host:ip>", "a line for RUN's /etc/hosts (repeatable)"))
    .option("--shm-size <bytes>", "size of RUN's /dev/shm")
    .addOption(list("--ulimit <name=soft:hard>", "a limit for RUN (repeatable)"))
    .option("--sandbox <rung>", "how RUN is isolated (default: $VARVE_SANDBOX, else the strongest that works)")
    .option("--require-isolation", "fail where RUN could not be isolated from this machine")
    .addOption(list("--insecure-registry <host>", "speak plain http or skip certificate checks (repeatable)"));
}

/** Declares the command that runs and its options, or all when that is none of them; a command's code is loaded when it runs. */
export function createProgram(session: Session): Program {
  let exitCode = 0;
  const program = new Command("varve")
    .description("Build, push and run OCI images without a daemon, Docker or root.")
    .version(readVersion(), VERSION_FLAGS.join(", "), "print the version")
    .option("--debug", "print stack traces with errors")
    .enablePositionalOptions()
    .showHelpAfterError("(varve COMMAND --help shows what a command takes)")
    .configureHelp({ sortSubcommands: false })
    .exitOverride()
    .configureOutput({ writeOut: (text) => session.print(text), writeErr: (text) => session.say(text) });

  const declarations = new Map<string, () => Command>();
  const declare = (name: string, make: () => Command): void => void declarations.set(name, make);
  const command = (usage: string, description: string): Command =>
    program.command(usage).description(description).option("--debug", "print stack traces with errors").exitOverride().showSuggestionAfterError();

  declare("build", () =>
    withBuildInputs(command("build [context]", "build an image from a Dockerfile"))
      .addOption(list("-t, --tag <name>", "name the image (repeatable)"))
      .option("--push", "push the image under its names")
      .addOption(list("--platform <os/arch>", "build for these platforms (repeatable, or separated by commas)"))
      .addOption(
        list("-o, --output <spec>", "where the result goes: type=image, registry, oci, docker, tar or local, with dest=…, name=…, push=…, compression=…"),
      )
      .option("--no-cache", "run every step")
      .option("-q, --quiet", "print only the image ID")
      .option("--iidfile <path>", "write the image ID to a file")
      .option("--metadata-file <path>", "write the result's digests to a file as JSON")
      .option("--print", "print the plan as JSON instead of building")
      .option("--check", "run BuildKit's checks instead of building")
      .option("--call <method>", "instead of building: check, outline or targets; with ,format=json as JSON")
      .action(async (context: string | undefined, options: Flags) => {
        const { buildCommand } = await import("./commands/build.ts");
        exitCode = await buildCommand(session, context, options);
      }),
  );

  declare("verify", () =>
    withBuildInputs(command("verify <image> [context]", "build again without cache, and tell whether that is the image or what differs first"))
      .option("--platform <os/arch>", "the platform to build and compare (default: this machine's)")
      .option("--json", "print JSON")
      .action(async (image: string, context: string | undefined, options: Flags) => {
        const { verifyCommand } = await import("./commands/verify.ts");
        exitCode = await verifyCommand(session, image, context ?? ".", options);
      }),
  );

  declare("lint", () =>
    command("lint [context]", "run BuildKit's checks on a Dockerfile, without asking for base images")
      .option("-f, --file <path>", "the Dockerfile (default: CONTEXT/Dockerfile)")
      .addOption(new Option("--format <format>", "text or json").choices(["text", "json"]).default("text"))
      .option("--target <stage>", "check what this stage needs (default: every stage)")
      .addOption(list("--build-arg <NAME=value>", "set an ARG (repeatable)"))
      .action(async (context: string | undefined, options: Flags) => {
        const { lintCommand } = await import("./commands/lint.ts");
        exitCode = await lintCommand(session, context ?? ".", options);
      }),
  );

  declare("context", () =>
    program
      .command("context")
      .description("look at build contexts")
      .command("ls [path]")
      .description("show what a build is given of a directory, the largest of it, and what an ignore file leaves out")
      .option("-f, --file <path>", "the Dockerfile (default: PATH/Dockerfile); its own .dockerignore wins")
      .option("--why <file>", "tell whether a file is sent, and which line of the ignore file decided")
      .option("-a, --all", "list every file")
      .option("--json", "print JSON")
      .option("--debug", "print stack traces with errors")
      .exitOverride()
      .action(async (path: string | undefined, options: Flags) => {
        const { contextListCommand } = await import("./commands/context.ts");
        exitCode = await contextListCommand(session, path ?? ".", options);
      }),
  );

  declare("doctor", () =>
    command("doctor [context]", "tell where RUN works here, why not elsewhere, and what a Dockerfile's steps would meet")
      .option("-f, --file <path>", "a Dockerfile whose steps are predicted (default with CONTEXT: CONTEXT/Dockerfile)")
      .option("--json", "print JSON")
      .option("--sandbox <rung>", "the rung asked for (default: $VARVE_SANDBOX, else the strongest that works)")
      .option("--require-isolation", "count only rungs that keep RUN from this machine")
      .action(async (context: string | undefined, options: Flags) => {
        const { doctorCommand } = await import("./commands/doctor.ts");
        exitCode = await doctorCommand(session, context, options);
      }),
  );

  declare("pull", () =>
    command("pull <image>", "fetch an image into the store")
      .option("--platform <os/arch>", "the platform to take from an index (default: this machine's)")
      .option("--all-platforms", "fetch the whole index")
      .option("-q, --quiet", "print only the name")
      .addOption(list("--insecure-registry <host>", "speak plain http or skip certificate checks (repeatable)"))
      .action(async (image: string, options: Flags) => {
        const { pullCommand } = await import("./commands/pull.ts");
        exitCode = await pullCommand(session, image, options);
      }),
  );

  declare("push", () =>
    command("push <image>", "send an image of the store to its registry")
      .option("-q, --quiet", "print only the digest")
      .addOption(list("--insecure-registry <host>", "speak plain http or skip certificate checks (repeatable)"))
      .action(async (image: string, options: Flags) => {
        const { pushCommand } = await import("./commands/push.ts");
        exitCode = await pushCommand(session, image, options);
      }),
  );

  declare("tag", () =>
    command("tag <source> <target>", "give an image of the store another name").action(async (source: string, target: string) => {
      const { tagCommand } = await import("./commands/tag.ts");
      exitCode = await tagCommand(session, source, target);
    }),
  );

  declare("images", () =>
    command("images", "list the images of the store")
      .option("-q, --quiet", "print only image IDs")
      .option("--json", "print JSON")
      .action(async (options: Flags) => {
        const { imagesCommand } = await import("./commands/images.ts");
        exitCode = await imagesCommand(session, options);
      }),
  );

  declare("rmi", () =>
    command("rmi <images...>", "remove names from the store").action(async (images: readonly string[]) => {
      const { removeCommand } = await import("./commands/remove.ts");
      exitCode = await removeCommand(session, images);
    }),
  );

  declare("prune", () =>
    command("prune", "free what no image and no container needs: garbage, and what of the cache was not used for a week")
      .option("-a, --all", "all of the cache, cache mounts too")
      .addOption(list("--filter <until=duration>", "take what was not used for so long, as in until=24h"))
      .option("--dry-run", "tell what would be freed")
      .action(async (options: Flags) => {
        const { pruneCommand } = await import("./commands/prune.ts");
        exitCode = await pruneCommand(session, options);
      }),
  );

  declare("du", () =>
    command("du", "tell what the store takes of the disk, and what prune would free")
      .option("--json", "print JSON")
      .action(async (options: Flags) => {
        const { duCommand } = await import("./commands/du.ts");
        exitCode = await duCommand(session, options);
      }),
  );

  declare("inspect", () =>
    command("inspect <image>", "print an image's manifest and config as JSON").action(async (image: string) => {
      const { inspectCommand } = await import("./commands/inspect.ts");
      exitCode = await inspectCommand(session, image);
    }),
  );

  declare("history", () =>
    command("history <image>", "show the steps an image was made of")
      .option("--no-trunc", "print commands whole")
      .option("--json", "print JSON")
      .action(async (image: string, options: Flags) => {
        const { historyCommand } = await import("./commands/history.ts");
        exitCode = await historyCommand(session, image, options);
      }),
  );

  declare("serve", () =>
    command("serve", "serve the store's images as a registry, to this machine by default")
      .option("--host <address>", "the address to listen on", "127.0.0.1")
      .option("-p, --port <port>", "the port to listen on; 0 takes a free one", "5000")
      .option("--read-only", "refuse pushes")
      .addHelpText("after", SERVE_HELP)
      .action(async (options: Flags) => {
        const { serveCommand } = await import("./commands/serve.ts");
        exitCode = await serveCommand(session, options);
      }),
  );

  declare("run", () =>
    command("run <image> [command...]", "run a command in a fresh copy of an image")
      .option("-e, --env <NAME=value>", "set a variable (repeatable)", collect)
      .option("-w, --workdir <path>", "the working directory")
      .option("-u, --user <user>", "the user, as USER takes it")
      .option("--entrypoint <program>", "in place of the image's ENTRYPOINT")
      .addOption(new Option("--network <mode>", "network of the command").choices(["default", "none", "host"]).default("default"))
      .option("--sandbox <rung>", "how the command is isolated (default: $VARVE_SANDBOX, else the strongest that works)")
      .option("--require-isolation", "fail where the command could not be isolated from this machine")
      .addOption(list("-v, --volume <host:path[:ro]>", "show a file or directory of this machine (repeatable)"))
      .option("-i, --interactive", "give the command what is typed, or piped in")
      .option("-t, --tty", "give the command a terminal")
      .option("--name <name>", "what to call what is kept for varve ps, commit and rm")
      .option("--rm", "keep nothing of what the command changes")
      .addOption(list("--insecure-registry <host>", "speak plain http or skip certificate checks (repeatable)"))
      .passThroughOptions()
      .action(async (image: string, args: readonly string[], options: Flags) => {
        const { runCommand } = await import("./commands/run.ts");
        exitCode = await runCommand(session, image, args, options);
      }),
  );

  declare("kaniko", () =>
    command("kaniko [flags...]", "build by the command line of kaniko's executor")
      .allowUnknownOption()
      .helpOption(false)
      .passThroughOptions()
      .action(async (flags: readonly string[]) => {
        const { kanikoCommand } = await import("./commands/kaniko.ts");
        exitCode = await kanikoCommand(session, flags);
      }),
  );

  declare("ps", () =>
    command("ps", "list containers: commands that run, and with -a what ended ones changed")
      .option("-a, --all", "list ended ones too")
      .option("-q, --quiet", "print only ids")
      .option("--json", "print JSON")
      .action(async (options: Flags) => {
        const { psCommand } = await import("./commands/ps.ts");
        exitCode = await psCommand(session, options);
      }),
  );

  declare("commit", () =>
    command("commit <container> [name]", "make an image of what a container's command changed")
      .addOption(list("-c, --change <instruction>", "apply a Dockerfile instruction to the config (repeatable)"))
      .option("-m, --message <text>", "a comment for the history")
      .option("-a, --author <name>", "who made it")
      .action(async (container: string, name: string | undefined, options: Flags) => {
        const { commitCommand } = await import("./commands/commit.ts");
        exitCode = await commitCommand(session, container, name, options);
      }),
  );

  declare("rm", () =>
    command("rm <containers...>", "remove containers").action(async (containers: readonly string[]) => {
      const { rmCommand } = await import("./commands/rm.ts");
      exitCode = await rmCommand(session, containers);
    }),
  );

  return {
    async run(args) {
      const wanted = declarations.get(args[0] ?? "");
      for (const make of wanted === undefined ? declarations.values() : [wanted]) make();
      if (args.length === 0) {
        session.say(program.helpInformation());
        throw new CommanderError(2, "varve.noCommand", "no command");
      }
      await program.parseAsync(["node", "varve", ...args]);
      return exitCode;
    },
  };
}
