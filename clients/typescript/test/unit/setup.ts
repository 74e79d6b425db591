// What the tests of components wait for is a fact, however busy the machine is.

import { configure } from "@testing-library/react";

configure({ asyncUtilTimeout: 30_000 });
