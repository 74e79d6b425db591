// Where the page stands: behind a proxy its addresses may begin with a base path, such as /jobs-ui. Addresses within
// the page are written without it.

/** The base path, without a slash at its end: the module lies in `page/lib/` below it. */
const BASE_PATH = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** An address of the page or the API as the browser has to ask for it. */
export const at = (address) => BASE_PATH + address;

/** An address of the browser as it is written within the page. */
export function within(pathname) {
  const isBelow = pathname === BASE_PATH || pathname.startsWith(`${BASE_PATH}/`);
  return isBelow ? pathname.slice(BASE_PATH.length) || "/" : pathname;
}

/** What the addresses of the API begin with for another program. */
export const here = () => location.origin + BASE_PATH;
