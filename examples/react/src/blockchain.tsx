// "Sending Transaction": an entry that follows a wallet's hooks. As its authors wrote it but for two things that React and
// JavaScript ask for: the effect stands beside the handler and not in it, and the call has a contract.

import { useEffect, useState } from "react";
import { useStatusCenterContext } from "@/components/StatusCenterProvider";
import { useWriteContract, useWaitForTransactionReceipt } from "wagmi";

const CONTRACT = { address: "0x0000000000000000000000000000000000000000", functionName: "sign" };

export function Blockchain() {
  const { addStatus, updateStatus, dismissStatus } = useStatusCenterContext();
  const { writeContract, data: hash } = useWriteContract();
  const { isConfirming, isSuccess, isError } = useWaitForTransactionReceipt({ hash });
  const [statusId, setStatusId] = useState("");

  const handleTransaction = () => {
    // Show optimistic status immediately
    const statusId = addStatus({
      type: "blockchain",
      title: "Sending Transaction",
      description: "Broadcasting to blockchain...",
      status: "pending",
    });
    setStatusId(statusId);

    writeContract(CONTRACT);
  };

  // Track status updates
  useEffect(() => {
    if (isConfirming) {
      updateStatus(statusId, { status: "processing" });
    } else if (isSuccess) {
      updateStatus(statusId, { status: "completed" });
      setTimeout(() => dismissStatus(statusId), 3000);
    } else if (isError) {
      updateStatus(statusId, { status: "failed" });
    }
  }, [isConfirming, isSuccess, isError]);

  return <button onClick={handleTransaction}>Send transaction</button>;
}
