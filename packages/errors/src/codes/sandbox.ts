/** Codes thrown by `sandbox`, each with the sentence that docs/errors.md shows. */
export const SANDBOX_CODES = {
  SANDBOX_UNAVAILABLE: "No sandbox that works here can run this step.",
  SANDBOX_NOT_ISOLATED: "The sandbox asked for does not isolate a step from the host, and isolation is required.",
  SANDBOX_UNSUPPORTED: "A step asks for something that the sandbox which works here cannot give it.",
  SANDBOX_HELPER_FAILED: "The helper process inside the namespaces stopped.",
  SANDBOX_SETUP_FAILED: "A step's process could not be set up: the kernel refused a mount, an id or another call.",
  SANDBOX_COMMAND_NOT_FOUND: "The program a step runs is not in its root filesystem, or cannot be executed.",
  SANDBOX_INVALID_PROCESS: "A step's arguments, environment or directory hold what no process can be given.",
  SANDBOX_UNKNOWN_LIMIT: "A ulimit has a name the kernel does not know.",
} as const;
