import { type BuildOptions, checkFor, outlineFor, targetsFor } from "@varve/build";
import { VarveError } from "@varve/errors";
import { EXIT } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { outlineJson, outlineText, targetsJson, targetsText } from "./call-report.ts";
import { reportCheck } from "./lint.ts";

interface Call {
  readonly method: "check" | "outline" | "targets";
  readonly format: "text" | "json";
  /** Nothing found is an error then. */
  readonly ignoreStatus: boolean;
}

/** `varve build --call METHOD[,format=json][,ignorestatus=true]`: what buildx's `--call` prints. */
export async function callCommand(session: Session, options: BuildOptions, text: string): Promise<number> {
  const { method, format, ignoreStatus } = parseCall(text);
  switch (method) {
    case "check": {
      const code = reportCheck(session, await checkFor(options), format);
      return ignoreStatus ? EXIT.ok : code;
    }
    case "outline": {
      const result = await outlineFor(options);
      session.print(format === "json" ? outlineJson(result) : outlineText(result));
      return EXIT.ok;
    }
    case "targets": {
      const result = await targetsFor(options);
      session.print(format === "json" ? targetsJson(result) : targetsText(result));
      return EXIT.ok;
    }
  }
}

function parseCall(text: string): Call {
  const [name = "", ...fields] = text.split(",");
  const method = name === "lint" ? "check" : name;
  if (method !== "check" && method !== "outline" && method !== "targets")
    throw new VarveError("CLI_USAGE", `--call ${text}: unknown method ${JSON.stringify(name)}`, { hint: "known methods: build, check, outline, targets" });
  let call: Call = { method, format: "text", ignoreStatus: false };
  for (const field of fields) {
    if (field === "format=text" || field === "format=json") call = { ...call, format: field === "format=json" ? "json" : "text" };
    else if (/^ignorestatus(=(true|false))?$/.test(field)) call = { ...call, ignoreStatus: !field.endsWith("=false") };
    else throw new VarveError("CLI_USAGE", `--call ${text}: unknown field ${JSON.stringify(field)}`, { hint: "for example --call outline,format=json" });
  }
  return call;
}
