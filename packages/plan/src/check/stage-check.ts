import { expandWords, type Instruction, writtenKeyword } from "@varve/dockerfile";
import type { SourceRange } from "@varve/errors";
import { goQuote } from "../go-format.ts";
import { expandIn, type InstructionScope } from "../instruction-scope.ts";
import { splitSpec } from "../port-spec.ts";
import { runtimeOf } from "../stage-state.ts";
import { cleanUnixPath } from "../unix-path.ts";
import { ownValue } from "../variables.ts";
import { attempt } from "./attempt.ts";
import { nearName } from "./near-name.ts";
import { unsetInDefault, unsetNames } from "./unset-names.ts";

const SECRET = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
const NO_SECRET = /(?:_|^)(?:public|file|version)(?:_|$)/i;
/** Set by the builder, in no environment. */
const BUILDER_NAMES = new Set(["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"]);

/** Looks at the instructions of one stage, each right before it is carried out. */
export interface StageCheck {
  look(scope: InstructionScope, instruction: Instruction): void;
}

/** What checking a stage needs to know. */
export interface StageCheckOptions {
  /** False when the base's config isn't known: then what depends on it is let pass. */
  readonly baseKnown: boolean;
  /** Whether an ignore file leaves nothing of a source in the main context. */
  readonly ignores?: ((path: string) => boolean) | undefined;
}

/** Creates the {@link StageCheck} of a stage. */
export function createStageCheck(options: StageCheckOptions): StageCheck {
  const last = new Map<string, SourceRange>();
  return {
    look(scope, instruction) {
      if (instruction.kind === "cmd" || instruction.kind === "entrypoint" || instruction.kind === "healthcheck") {
        const before = last.get(instruction.kind);
        // the one that counts for nothing is shown
        if (before !== undefined) {
          const message = `Multiple ${writtenKeyword(instruction)} instructions should not be used in the same stage because only the last one will be used`;
          scope.warn("MultipleInstructionsDisallowed", message, before);
        }
        last.set(instruction.kind, scope.range);
      }
      checkCommandForm(scope, instruction);
      checkWorkdir(scope, instruction);
      checkSecrets(scope, instruction);
      checkPorts(scope, instruction);
      checkIgnored(scope, instruction, options);
      if (options.baseKnown) checkVariables(scope, instruction);
    },
  };
}

function checkCommandForm(scope: InstructionScope, instruction: Instruction): void {
  if ((instruction.kind !== "cmd" && instruction.kind !== "entrypoint") || instruction.command.form === "exec") return;
  // who says SHELL knows what the command runs in
  if (runtimeOf(scope.state).Shell !== undefined) return;
  const message = `JSON arguments recommended for ${writtenKeyword(instruction)} to prevent unintended behavior related to OS signals`;
  scope.warn("JSONArgsRecommended", message, scope.range);
}

/** Only a stage's first WORKDIR, or that of the stage it is built on: making that one absolute mends those that follow. */
function checkWorkdir(scope: InstructionScope, instruction: Instruction): void {
  if (instruction.kind !== "workdir") return;
  const path = attempt(() => expandIn(scope, instruction.path));
  if (!scope.state.hasWorkdir && path !== undefined && !path.startsWith("/"))
    scope.warn("WorkdirRelativePath", `Relative workdir ${goQuote(path)} can have unexpected results if the base image changes`, scope.range);
  scope.state.hasWorkdir = true;
}

function checkSecrets(scope: InstructionScope, instruction: Instruction): void {
  const names =
    instruction.kind === "env"
      ? instruction.pairs.map(({ key }) => attempt(() => expandIn(scope, key)) ?? key.value)
      : instruction.kind === "arg"
        ? instruction.args.map(({ name }) => name.value)
        : [];
  for (const name of names) {
    if (!SECRET.test(name) || NO_SECRET.test(name)) continue;
    const message = `Do not use ARG or ENV instructions for sensitive data (${instruction.keyword} ${goQuote(name)})`;
    scope.warn("SecretsUsedInArgOrEnv", message, scope.range);
  }
}

function checkPorts(scope: InstructionScope, instruction: Instruction): void {
  if (instruction.kind !== "expose") return;
  const { escape } = scope.naming.dockerfile;
  const lookup = (name: string): string | undefined => scope.state.variables.get(name);
  for (const port of instruction.ports.flatMap(({ value }) => attempt(() => expandWords(value, { escape, lookup }).values) ?? [])) {
    const { address, host, container } = splitSpec(port);
    const protocol = container.split("/")[1] ?? "";
    if (protocol !== protocol.toLowerCase())
      scope.warn("ExposeProtoCasing", `Defined protocol '${port}' in EXPOSE instruction should be lowercase`, scope.range);
    if (address !== "" || host !== "")
      scope.warn("ExposeInvalidFormat", `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`, scope.range);
  }
}

function checkIgnored(scope: InstructionScope, instruction: Instruction, { ignores }: StageCheckOptions): void {
  if (ignores === undefined || (instruction.kind !== "copy" && instruction.kind !== "add") || instruction.from !== undefined) return;
  for (const word of instruction.sources) {
    const source = attempt(() => expandIn(scope, word));
    if (source === undefined || source === "" || source.includes("://") || source.startsWith("<<")) continue;
    const path = cleanUnixPath(`/${source}`).slice(1);
    if (!ignores(path)) continue;
    const verb = instruction.kind === "copy" ? "Copy" : "Add";
    scope.warn("CopyIgnoredFile", `Attempting to ${verb} file ${goQuote(path === "" ? "." : path)} that is excluded by .dockerignore`, scope.range);
  }
}

function checkVariables(scope: InstructionScope, instruction: Instruction): void {
  const { state, naming } = scope;
  const { escape } = naming.dockerfile;
  const declared = new Set(state.args.map(({ name }) => name));
  const isSet = (name: string): boolean => state.variables.has(name) || declared.has(name) || BUILDER_NAMES.has(name);
  const tell = (name: string): void => {
    const near = nearName(name, [...state.variables.keys(), ...(instruction.kind === "arg" ? declared : [])]);
    scope.warn("UndefinedVar", `Usage of undefined variable '$${name}'${near === undefined ? "" : ` (did you mean $${near}?)`}`, scope.range);
  };
  if (instruction.kind !== "arg") {
    for (const name of unsetNames(instruction, escape, isSet)) tell(name);
    return;
  }
  for (const { name, value } of instruction.args) {
    if (value !== undefined && ownValue(naming.options.buildArgs, name.value) === undefined)
      for (const unset of unsetInDefault(value, escape, isSet)) tell(unset);
    declared.add(name.value);
  }
}
