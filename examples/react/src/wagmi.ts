// A stand-in for the two hooks of wagmi that the example calls, so that it needs no wallet: a transaction is confirmed after a
// moment, or fails where the page's address has `?fail`.

import { useEffect, useState } from "react";

type Hash = string;

export function useWriteContract() {
  const [data, setHash] = useState<Hash>();
  return { data, writeContract: (_call: object) => void setTimeout(() => setHash(`0x${Date.now().toString(16)}`), 300) };
}

export function useWaitForTransactionReceipt({ hash }: { hash: Hash | undefined }) {
  const [state, setState] = useState<"none" | "confirming" | "success" | "error">("none");
  useEffect(() => {
    if (!hash) return;
    setState("confirming");
    const end = new URLSearchParams(location.search).has("fail") ? "error" : "success";
    const timer = setTimeout(() => setState(end), 700);
    return () => clearTimeout(timer);
  }, [hash]);
  return { isConfirming: state === "confirming", isSuccess: state === "success", isError: state === "error" };
}
