export type { BuildContext } from "./context.ts";
