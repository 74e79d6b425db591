// The newest value of what changes with each render, for callbacks that outlive it.

import { type RefObject, useEffect, useRef } from "react";

/** A ref that holds the value of the last render that was shown. */
export function useLatest<T>(value: T): RefObject<T> {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest as RefObject<T>;
}
