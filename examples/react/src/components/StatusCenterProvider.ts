// Where the components of this application look for the Status Center: it comes from the package.

export { StatusCenterProvider, useStatusCenterContext } from "tidemill/react";
