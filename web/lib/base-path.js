// The base path: behind a proxy, paths can begin with one, such as /jobs-ui. The page's own code writes paths without
// it, and must never request a path outside of it.

/** The base path, without a slash at its end: the module lies in `page/lib/` below it. */
const BASE_PATH = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/**
 * An address of the page or the API with the base path, as the browser requests it.
 * @param {string} address
 */
export const withBasePath = (address) => BASE_PATH + address;

/**
 * A path of the browser's address without the base path.
 * @param {string} pathname
 */
export function withoutBasePath(pathname) {
  const isBelow = pathname === BASE_PATH || pathname.startsWith(`${BASE_PATH}/`);
  return isBelow ? pathname.slice(BASE_PATH.length) || "/" : pathname;
}

/** The beginning of the API's URLs, for use in another program. */
export const serverUrl = () => location.origin + BASE_PATH;
