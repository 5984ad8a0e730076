/** Codes thrown by `build`, each with the sentence that docs/errors.md shows. */
export const BUILD_CODES = {
  BUILD_DOCKERFILE_NOT_FOUND: "There is no Dockerfile where it is looked for.",
  BUILD_INVALID_OPTION: "An option of the build, or two together, make no sense.",
  BUILD_UNSUPPORTED: "The build asks for something varve does not do yet.",
  BUILD_RUN_FAILED: "A RUN step ended with a non-zero exit code.",
  BUILD_USER_NOT_FOUND: "A user or group that a step names is not in the image.",
  BUILD_USER_OUT_OF_RANGE: "A step would run as a user or group whose number is too large.",
  BUILD_SECRET_MISSING: "A secret or ssh agent that a step requires was not given.",
  BUILD_COPY_SOURCE_NOT_FOUND: "A COPY or ADD source does not exist.",
  BUILD_COPY_CONFLICT: "A COPY or ADD would replace a directory with a file, or the reverse.",
  BUILD_NO_COMMAND: "An image to run names no command, and none was given.",
  BUILD_CONTAINER_NOT_FOUND: "The store has no container of that name.",
  BUILD_CONTAINER_RUNNING: "A container's command has not ended yet.",
  BUILD_CONTAINER_DEAD: "A container's command was killed before what it changed was kept.",
  BUILD_NOT_ALLOWED: "A step asks for more than steps may have, and nobody allowed it.",
  BUILD_CANCELLED: "The build was cancelled.",
} as const;
