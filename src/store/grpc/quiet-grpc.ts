/**
 * grpc-js writes to the console of its own accord, such as about headers that a peer sends. What is
 * of interest of it comes as an error as well.
 */
import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";

setLogVerbosity(logVerbosity.NONE);
