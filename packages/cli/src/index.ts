export { build, type BuildEvent, type BuildOptions, type BuildResult, type Output } from "@varve/build";
export { isVarveError, VarveError } from "@varve/errors";
