/** Takes a lease on everything in a store, says so, and waits to be killed. */
import { takeLease } from "../../../src/store/upkeep/lease.ts";

const [folder] = process.argv.slice(2) as [string];
takeLease(folder, { roots: "all" });
process.stdout.write("taken\n");
setInterval(() => {}, 1000);
