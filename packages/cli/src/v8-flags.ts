import { setFlagsFromString } from "node:v8";

/** Flags that restore what {@link compileWasmOnce} and {@link keepBytecode} changed. */
const undo: string[] = [];

/*
 * What V8 compiled before, Node's own modules' among it, is taken again only under the flags it was made with: under others each of Node's modules is compiled anew
 * when it is loaded (20 ms of a start). So flags are set as late as they can be, and unset before anything compiled is kept.
 */

/**
 * From when WebAssembly is compiled for the first time, V8 doesn't optimise it: undici's parser passes bodies on as they are, and optimising it took 0.13 s of CPU of
 * a build in which nothing changed, and was waited for when the process ended.
 */
export function compileWasmOnce(): void {
  const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly: { readonly Module: unknown } };
  const { Module } = wasm;
  Object.defineProperty(wasm, "Module", {
    configurable: true,
    get() {
      Object.defineProperty(wasm, "Module", { value: Module, configurable: true, writable: true, enumerable: false });
      setFlagsFromString("--liftoff-only");
      // the others are what it implies
      undo.push("--no-liftoff-only", "--wasm-tier-up", "--wasm-dynamic-tiering");
      return Module;
    },
  });
}

/** From now on V8 keeps what a long run needed at its start only, for the next one. */
export function keepBytecode(): void {
  setFlagsFromString("--no-flush-bytecode");
  undo.push("--flush-bytecode");
}

/** As Node was started, for what is kept for its next start. */
export function restoreFlags(): void {
  for (const flag of undo.splice(0)) setFlagsFromString(flag);
}
