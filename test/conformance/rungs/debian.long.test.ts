import { describeWithTools } from "@varve/testkit";
import { DEBIAN_SUITE } from "./debian-suite.ts";
import { describeSuite } from "./describe-rungs.ts";

describeWithTools(["mmdebstrap"], "on a Debian base", () => {
  describeSuite("Dockerfiles with packages, users and npm, on every rung", DEBIAN_SUITE);
});
