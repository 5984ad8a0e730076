/** Bundles the program into packages/cli/dist. */
export function buildProgram(): Promise<void>;
