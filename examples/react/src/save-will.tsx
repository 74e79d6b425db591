// "Saving Will": an optimistic entry around a call to an API of one's own. The component's body stands as its authors wrote it.

import { useStatusCenterContext } from "@/components/StatusCenterProvider";

/** The call: half a second, and now and then a failure. */
async function saveWill() {
  await new Promise((resolve) => setTimeout(resolve, 500));
  if (new URLSearchParams(location.search).has("fail")) throw new Error("The vault is closed.");
}

export function SaveWill() {
  const { addStatus, updateStatus, dismissStatus } = useStatusCenterContext();

  const handleSave = async () => {
    // Add optimistic status
    const statusId = addStatus({
      type: "sync",
      title: "Saving Will",
      description: "Syncing to secure vault...",
      status: "syncing",
    });

    try {
      // Make API call
      await saveWill();
      
      // Update status
      updateStatus(statusId, {
        status: "completed",
        description: "Saved successfully",
      });
      
      // Auto-dismiss after 3 seconds
      setTimeout(() => dismissStatus(statusId), 3000);
    } catch (error) {
      updateStatus(statusId, {
        status: "failed",
        description: "Save failed",
      });
    }
  };

  return <button onClick={handleSave}>Save will</button>;
}
