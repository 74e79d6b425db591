// A ref to a value that changes with each render, for callbacks that live longer than a render.

import { type RefObject, useEffect, useRef } from "react";

/** A ref that holds the value of the last committed render. */
export function useLatest<T>(value: T): RefObject<T> {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest as RefObject<T>;
}
