import { VarveError } from "@varve/errors";
import type { Instruction, OnbuildInstruction } from "../ast.ts";
import { parseFlags } from "../flag-set.ts";
import { fail, instructionHead, type InstructionContext } from "../instruction-context.ts";

/** Types a trigger's own node; throws for one that is no valid instruction. */
export type TypeInstruction = (context: InstructionContext) => Instruction;

/** `ONBUILD instruction`. The trigger is kept as text; it is parsed anew where it is used. */
export function onbuildInstruction(context: InstructionContext, type: TypeInstruction): OnbuildInstruction {
  const { args, line } = context.node;
  if (args.kind !== "onbuild") fail(context, "ONBUILD has no instruction", { hint: "write ONBUILD and the instruction a build on this image runs" });
  const { flags } = parseFlags(context, {});
  const { child } = args;
  if (child.keyword.value === "ONBUILD") fail(context, "ONBUILD cannot trigger ONBUILD", { at: child.keyword, hint: "write ONBUILD once" });
  if (child.keyword.value === "FROM" || child.keyword.value === "MAINTAINER")
    fail(context, `ONBUILD cannot trigger ${child.keyword.value}`, { at: child.keyword, hint: "a trigger is an instruction of a stage" });
  // as BuildKit stores it: what follows the keyword, then each heredoc with its terminator
  const bodies = context.heredocs.map((heredoc) => `\n${heredoc.raw}${heredoc.name}`);
  const trigger = line.text.slice(child.keyword.start) + bodies.join("");
  const instruction = tryType({ ...context, node: child, warn: () => {} }, type);
  return { kind: "onbuild", ...instructionHead(context), flags, trigger, ...(instruction === undefined ? {} : { instruction }) };
}

function tryType(context: InstructionContext, type: TypeInstruction): Instruction | undefined {
  try {
    return type(context);
  } catch (error) {
    if (error instanceof VarveError) return undefined;
    throw error;
  }
}
