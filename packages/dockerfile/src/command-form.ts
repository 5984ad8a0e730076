import type { CommandForm } from "./ast.ts";
import type { NodeArguments } from "./node.ts";

/** Exec form for a JSON array, shell form for anything else; without arguments an empty text. */
export function commandForm(args: NodeArguments): CommandForm {
  if (args.kind === "json") return { form: "exec", args: args.items.map((item) => item.value) };
  return { form: "shell", text: args.kind === "text" ? args.text.value : "" };
}
