// A project that takes long to start: the card asks the backend, and shows how the task goes on. The component stands as its
// authors wrote it.

import { useState } from "react";
import { ProgressBar } from "tidemill/react";
import { useTaskStatus } from "@/hooks/useTaskStatus";

export const ProjectCard = ({ project }) => {
  const [taskId, setTaskId] = useState<string | null>(null);
  const { status, isPolling } = useTaskStatus(taskId);

  const handleStart = async () => {
    const response = await fetch(`/api/orchestration/${project.id}/start`, {
      method: 'POST'
    });
    const data = await response.json();
    setTaskId(data.task_id);
  };

  return (
    <div className="project-card">
      <h3>{project.name}</h3>

      {isPolling && (
        <div className="progress-section">
          <ProgressBar value={status?.progress || 0} />
          <p className="status-text">{status?.status}</p>
        </div>
      )}

      {!isPolling && (
        <button onClick={handleStart}>Start Project</button>
      )}

      {status?.error && (
        <div className="error-message">{status.error}</div>
      )}
    </div>
  );
};
