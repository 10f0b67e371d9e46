/* A job type for Flamenco: a folder of videos, captured in tasks of some videos each.
 *
 * Put this file into the manager's `scripts` folder. Workers need an inference environment at the same path, given in
 * the manager's variables as {intMocapPython}, and the videos and the output folder where every worker sees them.
 * The tasks share one ledger in the output folder: a task that is run again does only what is missing.
 */

const JOB_TYPE = {
    label: "INT Mocap",
    settings: [
        { key: "videos", type: "string", required: true,
            description: "Videos, as paths with a line break between them" },
        { key: "output", type: "string", subtype: "dir_path", required: true,
            description: "Folder for takes, formats and the report" },
        { key: "formats", type: "string", default: "npz,fbx", description: "npz, fbx, glb, bvh, usd, abc, csv, blend" },
        { key: "quality", type: "string", choices: ["best", "fast"], default: "best", description: "Of the capture" },
        { key: "clips_per_task", type: "int32", default: 10, description: "Videos a task" },
        { key: "blender", type: "string", default: "", description: "Path of Blender on the workers, for formats" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    const videos = settings.videos.split("\n").map((line) => line.trim()).filter((line) => line.length > 0);
    const most = Math.max(1, settings.clips_per_task);
    for (let first = 0; first < videos.length; first += most) {
        const own = videos.slice(first, first + most);
        const task = author.Task("capture-" + (first + 1) + "-" + (first + own.length), "misc");
        task.addCommand(author.Command("exec", { exe: "{intMocapPython}", args: words(settings, own) }));
        job.addTask(task);
    }
}

/* The words of `python -m inference_server farm` for some videos; all tasks run with the same settings. */
function words(settings, videos) {
    const found = ["-m", "inference_server", "farm"].concat(videos);
    found.push("--out", settings.output, "--formats", settings.formats, "--quality", settings.quality);
    if (settings.blender) {
        found.push("--blender", settings.blender);
    }
    return found;
}
