"""The interface in other languages, through Blender's own mechanism: contexts are `Operator` for buttons, else `*`."""

from __future__ import annotations

import bpy

BUTTONS_DE = {
    "Plant feet from channels": "Füße nach Kanälen aufsetzen",
    "Make a loop": "Schleife bilden",
    "Go on with another take": "Mit anderer Aufnahme fortfahren",
    "Add a layer": "Ebene hinzufügen",
    "Hold a limb": "Glied festhalten",
    "Capture from video": "Aus Video aufnehmen",
    "Capture after this one": "Danach aufnehmen",
    "Cancel": "Abbrechen",
    "Clear queue": "Warteschlange leeren",
    "Copy log": "Protokoll kopieren",
    "Dismiss": "Ausblenden",
    "Import motion": "Bewegung importieren",
    "Export motion": "Bewegung exportieren",
    "Find people": "Personen suchen",
    "Looking for people…": "Personen werden gesucht …",
    "Choose person": "Person wählen",
    "Use video": "Video verwenden",
    "Set up inference": "Inferenz einrichten",
    "Cancel set-up": "Einrichtung abbrechen",
    "Copy report": "Bericht kopieren",
    "Match camera": "Kamera anpassen",
    "Side by side": "Nebeneinander",
    "Add body": "Körper hinzufügen",
    "Add model": "Modell hinzufügen",
    "Choose automatically": "Selbst wählen lassen",
    "Choose video": "Video wählen",
    "From the scene": "Aus der Szene",
    "Open the takes' folder": "Ordner der Aufnahmen öffnen",
    "Remove from list": "Von der Liste nehmen",
    "Stop and keep": "Beenden und behalten",
    "Where to register": "Wo man sich anmeldet",
    "Find bones": "Knochen suchen",
    "Retarget": "Übertragen",
    "Retarget from all selected": "Von allen gewählten übertragen",
    "Retarget to all selected": "Auf alle gewählten übertragen",
    "Show rest alignment": "Ruhelage zeigen",
    "Keep as alignment": "Als Ruhelage behalten",
    "Save preset": "Vorlage sichern",
    "Add preset": "Vorlage hinzufügen",
}
WORDS_DE = {
    "Capture": "Aufnahme",
    "Options": "Optionen",
    "Clean-up": "Nachbearbeitung",
    "Look and export": "Ansehen und exportieren",
    "Inference Python": "Python der Inferenz",
    "The Python of an inference environment; filled in by the set-up": (
        "Das Python einer Inferenzumgebung; die Einrichtung trägt es ein"
    ),
    "Folder": "Ordner",
    "Where the set-up puts the environment; empty for your user's data folder": (
        "Wohin die Einrichtung die Umgebung legt; leer für den Datenordner des Benutzers"
    ),
    "Base Python": "Grund-Python",
    "The Python from 3.11 on that the environment is made with; empty to find one": (
        "Das Python ab 3.11, mit dem die Umgebung angelegt wird; leer, um eines zu suchen"
    ),
    "Networks run on": "Netze laufen auf",
    "Which build of torch is installed": "Welche Ausgabe von torch installiert wird",
    "Automatic": "Automatisch",
    "The NVIDIA card if there is one, else the processor": "Die NVIDIA-Karte, falls vorhanden, sonst der Prozessor",
    "Processor": "Prozessor",
    "Works everywhere": "Geht überall",
    "NVIDIA card": "NVIDIA-Karte",
    "Large: several gigabytes": "Groß: mehrere Gigabyte",
    "Wheels": "Wheels",
    "A folder of Python wheels to install from without a network": (
        "Ein Ordner mit Python-Wheels, um ohne Netz zu installieren"
    ),
    "Inference is set up.": "Die Inferenz ist eingerichtet.",
    "Video": "Video",
    "The video to capture from": "Das Video, aus dem aufgenommen wird",
    "Quality": "Qualität",
    "How much time to spend on a frame": "Wie viel Zeit ein Bild bekommt",
    "Fast": "Schnell",
    "About as fast as the video plays": "Etwa so schnell, wie das Video läuft",
    "Best": "Beste",
    "The larger landmark network and a longer fit": "Das größere Landmarkennetz und eine längere Anpassung",
    "Person": "Person",
    "Whose motion to capture": "Wessen Bewegung aufgenommen wird",
    "Main person": "Hauptperson",
    "The one who is seen most completely and centrally": "Wer am vollständigsten und mittigsten zu sehen ist",
    "Everybody": "Alle",
    "A rig for each person": "Ein Rig für jede Person",
    "By number": "Nach Nummer",
    "Counted in the order in which they appear": "Gezählt in der Reihenfolge des Auftretens",
    "Number": "Nummer",
    "Which person": "Welche Person",
    "Smoothing": "Glättung",
    "0 keeps every tremble, 1 takes the edge off fast moves": (
        "0 lässt jedes Zittern, 1 nimmt schnellen Bewegungen die Spitze"
    ),
    "Trim": "Ausschnitt",
    "Capture only a part of the video": "Nur einen Teil des Videos aufnehmen",
    "Start": "Anfang",
    "End": "Ende",
    "Seconds into the video": "Sekunden ab Beginn des Videos",
    "Model": "Modell",
    "The network that reads the motion; add yours in the preferences": (
        "Das Netz, das die Bewegung liest; eigene in den Einstellungen hinzufügen"
    ),
    "Body": "Körper",
    "The body that is captured on; add yours in the preferences": (
        "Der Körper, auf den aufgenommen wird; eigene in den Einstellungen hinzufügen"
    ),
    "The one that ships": "Mitgeliefert",
    "Free for every use": "Frei für jeden Zweck",
    "Models": "Modelle",
    "Bodies": "Körper",
    "INT's checkpoint was trained on data for research only.": (
        "INTs Checkpoint wurde mit Daten trainiert, die nur der Forschung dienen."
    ),
    "SMPL is free for research; other use needs a licence.": (
        "SMPL ist für die Forschung frei; anderes braucht eine Lizenz."
    ),
    "Every so many frames": "Jedes wievielte Bild",
    "Your model looks at every so many frames and the rest is filled in: faster, a little softer": (
        "Das eigene Modell sieht nur so viele Bilder an, der Rest wird ergänzt: schneller, etwas weicher"
    ),
    "Device": "Gerät",
    "What the networks run on": "Worauf die Netze laufen",
    "Needs the set-up for it": "Braucht die Einrichtung dafür",
    "Find the cycle of a walk or run that meets its own beginning best, and make an action that repeats": (
        "Den Zyklus eines Gangs oder Laufs suchen, der seinem Anfang am besten begegnet, und daraus eine Action "
        "bilden, die sich wiederholt"
    ),
    "Shortest": "Kürzeste",
    "Longest": "Längste",
    "Seconds": "Sekunden",
    "Choice": "Wahl",
    "1 meets itself best": "1 begegnet sich am besten",
    "Blend": "Überblenden",
    "In place": "Auf der Stelle",
    "Take the way over the floor off; otherwise each repeat goes on": (
        "Den Weg über den Boden abziehen; sonst geht jede Wiederholung weiter"
    ),
    "Let another take go on where this one ends, as strips of the NLA that fade over; both stay editable": (
        "Eine andere Aufnahme dort fortfahren lassen, wo diese endet, als überblendende Strips im NLA; "
        "beide bleiben bearbeitbar"
    ),
    "Take": "Aufnahme",
    "What comes after": "Was danach kommt",
    "Fade": "Überblendung",
    "Seconds in which both are heard": "Sekunden, in denen beide wirken",
    "Put a layer over the take: what is keyed from now on is added to it, and the take stays as it is": (
        "Eine Ebene über die Aufnahme legen: Was ab jetzt als Keyframe gesetzt wird, kommt hinzu, "
        "und die Aufnahme bleibt, wie sie ist"
    ),
    "Hold a limb as it is posed now over some frames, on a layer over the take": (
        "Ein Glied über einige Frames so halten, wie es jetzt steht, auf einer Ebene über der Aufnahme"
    ),
    "Limb": "Glied",
    "What is held": "Was gehalten wird",
    "Left arm": "Linker Arm",
    "Right arm": "Rechter Arm",
    "Left leg": "Linkes Bein",
    "Right leg": "Rechtes Bein",
    "Spine and head": "Wirbelsäule und Kopf",
    "From the collar to the hand": "Vom Schlüsselbein bis zur Hand",
    "From the hip to the toes": "Von der Hüfte bis zu den Zehen",
    "From the lowest vertebra to the head": "Vom untersten Wirbel bis zum Kopf",
    "Before": "Davor",
    "Frames before this one": "Frames vor diesem",
    "After": "Danach",
    "Frames after this one": "Frames nach diesem",
    "Frames in which it comes and goes": "Frames, in denen es kommt und geht",
    "Edit": "Bearbeiten",
    "Curves": "Kurven",
    "Keep a part of the take; the rest can be had back": (
        "Einen Teil der Aufnahme behalten; der Rest lässt sich zurückholen"
    ),
    "Mirror": "Spiegeln",
    "Exchange left and right; the person goes on facing where they faced": (
        "Links und rechts vertauschen; die Person schaut weiter dorthin, wohin sie schaute"
    ),
    "Bridge gaps": "Lücken überbrücken",
    "Fill gaps of up to so many seconds in which the person wasn't seen": (
        "Lücken bis zu so vielen Sekunden füllen, in denen die Person nicht zu sehen war"
    ),
    "Speed": "Tempo",
    "2 is twice as fast; for a speed that changes use the strip's time in the NLA editor": (
        "2 ist doppelt so schnell; für wechselndes Tempo die Strip-Zeit im NLA-Editor verwenden"
    ),
    "Rotation": "Rotation",
    "What the rotation curves say": "Was die Rotationskurven angeben",
    "Quaternion": "Quaternion",
    "No gimbal lock; what was captured": "Keine Kardansperre; wie aufgenommen",
    **{f"{order} Euler": f"{order}-Euler" for order in ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")},
    "Three angles, unrolled": "Drei Winkel, abgewickelt",
    "Hands and knees": "Hände und Knie",
    "What of them is on the floor stays where it is": "Was davon auf dem Boden ist, bleibt, wo es ist",
    "Lens": "Objektiv",
    "Height": "Größe",
    "Of the person in centimetres, if you know it; 0 to find it. It sets the scale of everything": (
        "Der Person in Zentimetern, falls bekannt; 0, um sie zu schätzen. Sie bestimmt den Maßstab von allem"
    ),
    "Camera": "Kamera",
    "Where the camera stood and how it moved": "Wo die Kamera stand und wie sie sich bewegte",
    "Found in the video": "Im Video gefunden",
    "Pans, tilts and shaking are found from the background": (
        "Schwenks, Neigungen und Wackeln werden am Hintergrund erkannt"
    ),
    "The scene's camera": "Die Kamera der Szene",
    "As it stands in the scene, or as Blender's motion tracking solved it; the take lands in its world": (
        "Wie sie in der Szene steht, oder wie Blenders Motion-Tracking sie gelöst hat; "
        "die Aufnahme landet in ihrer Welt"
    ),
    "The camera travelled: the way over the floor is not to be trusted. Solve the clip in the Movie Clip Editor, "
    "then capture with the scene's camera.": (
        "Die Kamera ist gefahren: Dem Weg über den Boden ist nicht zu trauen. Den Clip im Movie-Clip-Editor lösen, "
        "dann mit der Kamera der Szene aufnehmen."
    ),
    "Focal length as on 35 mm film, in millimetres, if you know it; 0 to find it": (
        "Brennweite wie bei Kleinbild, in Millimetern, falls bekannt; 0, um sie zu suchen"
    ),
    "Take goes to": "Aufnahme wird",
    "What becomes of the take": "Was aus der Aufnahme wird",
    "New rig": "Neues Rig",
    "A rig of its own": "Ein eigenes Rig",
    "Action of the active rig": "Aktion des aktiven Rigs",
    "A new action of a rig that is there; the old one is kept": (
        "Eine neue Aktion eines vorhandenen Rigs; die alte bleibt erhalten"
    ),
    "Strip of the active rig": "Streifen des aktiven Rigs",
    "A strip on a new NLA track of a rig that is there": (
        "Ein Streifen auf einer neuen NLA-Spur eines vorhandenen Rigs"
    ),
    "Scene takes the video's frame rate": "Szene übernimmt die Bildrate des Videos",
    "Otherwise the scene keeps its frame rate and the take is fitted to it": (
        "Sonst behält die Szene ihre Bildrate, und die Aufnahme wird ihr angepasst"
    ),
    "Source": "Quelle",
    "What to capture from": "Woraus aufgenommen wird",
    "Keep": "Behalten",
    "Keep what is there as a take": "Was da ist, als Aufnahme behalten",
    "Filter": "Filter",
    "How it is smoothed": "Wie geglättet wird",
    "Gaussian": "Gauß",
    "An average over a moment": "Ein Mittel über einen Augenblick",
    "Butterworth": "Butterworth",
    "Keeps slow moves exactly, cuts trembling off more sharply": (
        "Lässt langsame Bewegungen, wie sie sind, und schneidet Zittern schärfer ab"
    ),
    "One-Euro": "One-Euro",
    "Calm when slow, quick when fast; lags as a live stream does": (
        "Ruhig bei langsamen, flink bei schnellen Bewegungen; hinkt nach wie eine Live-Aufnahme"
    ),
    "Spine": "Wirbelsäule",
    "Arms": "Arme",
    "Legs": "Beine",
    "Times the smoothing": "Mal die Glättung",
    "Left foot": "Linker Fuß",
    "How firmly the left foot stands where it stands": "Wie fest der linke Fuß steht, wo er steht",
    "Right foot": "Rechter Fuß",
    "How firmly the right foot stands where it stands": "Wie fest der rechte Fuß steht, wo er steht",
    "Level floor": "Boden ausrichten",
    "Turn the take so that its footprints lie on one floor": (
        "Die Aufnahme so drehen, dass ihre Fußabdrücke auf einem Boden liegen"
    ),
    "Jumps by gravity": "Sprünge nach Schwerkraft",
    "Between leaving and landing the body falls as bodies do": (
        "Zwischen Absprung und Landung fällt der Körper, wie Körper fallen"
    ),
    "Fewer keys": "Weniger Keyframes",
    "Keys where the motion turns, with tangents, instead of one on each frame": (
        "Keyframes, wo die Bewegung wendet, mit Tangenten, statt einem auf jedem Bild"
    ),
    "Degrees": "Grad",
    "By which a bone may be turned otherwise": "Um so viel darf ein Knochen anders gedreht sein",
    "Millimetres": "Millimeter",
    "By which a joint may be elsewhere": "Um so viel darf ein Gelenk woanders sein",
    "Match resolution": "Auflösung anpassen",
    "Give the scene the video's picture size": "Der Szene die Bildgröße des Videos geben",
    "Video to capture from": "Video zum Aufnehmen",
    # buttons' explanations
    "Take the contact channels as they are now, edits included, and plant the feet anew": (
        "Die Kontaktkanäle nehmen, wie sie jetzt sind, auch bearbeitet, und die Füße neu aufsetzen"
    ),
    "Capture the motion of a person in the video, in the background, as keys on a new rig": (
        "Die Bewegung einer Person im Video aufnehmen, im Hintergrund, als Keyframes auf einem neuen Rig"
    ),
    "Stop the capture; nothing of it stays in the scene": "Die Aufnahme beenden; nichts davon bleibt in der Szene",
    "Forget the captures that wait; the one that runs goes on": (
        "Die wartenden Aufnahmen vergessen; die laufende geht weiter"
    ),
    "Copy the log of the inference process to the clipboard and into a text of this file": (
        "Das Protokoll des Inferenzprozesses in die Zwischenablage und in einen Text dieser Datei kopieren"
    ),
    "Hide this message": "Diese Meldung ausblenden",
    "Look who is in the video, to choose whose motion to capture by a picture": (
        "Nachsehen, wer im Video ist, um die Person am Bild zu wählen"
    ),
    "Capture this person": "Diese Person aufnehmen",
    "Make a video the one to capture from": "Ein Video zu dem machen, aus dem aufgenommen wird",
    "Make the inference environment, in the background; it lies outside Blender and survives updates": (
        "Die Inferenzumgebung im Hintergrund anlegen; sie liegt außerhalb von Blender und übersteht Aktualisierungen"
    ),
    "Stop the set-up; a second one goes on where this one stood": (
        "Die Einrichtung beenden; eine zweite macht dort weiter"
    ),
    "Copy a report for a bug report: versions, devices, what is missing; without the names of your folders": (
        "Einen Bericht für eine Fehlermeldung kopieren: Versionen, Geräte, was fehlt; ohne die Namen der eigenen Ordner"
    ),
    "Look through a camera that matches the video's, with the video behind the body": (
        "Durch eine Kamera wie die des Videos sehen, mit dem Video hinter dem Körper"
    ),
    "Add an INT checkpoint that you have (.pth.tar, .pth, .pt or .safetensors); it stays where it is": (
        "Einen vorhandenen INT-Checkpoint hinzufügen (.pth.tar, .pth, .pt oder .safetensors); er bleibt, wo er ist"
    ),
    "Add an SMPL file that you have (.npz or .pkl); it stays where it is": (
        "Eine vorhandene SMPL-Datei hinzufügen (.npz oder .pkl); sie bleibt, wo sie ist"
    ),
    "Capture from a movie clip, a strip (with its cuts) or a movie picture of this file": (
        "Aus einem Filmclip, einem Streifen (mit seinem Schnitt) oder einem Filmbild dieser Datei aufnehmen"
    ),
    "Choose another video": "Ein anderes Video wählen",
    "Let the networks run on what is there": "Die Netze auf dem laufen lassen, was da ist",
    "Open the folder in which the takes are": "Den Ordner öffnen, in dem die Aufnahmen sind",
    "Split the view: the body over the video on the left, the body from the side on the right": (
        "Die Ansicht teilen: links der Körper über dem Video, rechts der Körper von der Seite"
    ),
    "Take this file off the list; it stays on the disk": "Diese Datei von der Liste nehmen; sie bleibt auf der Platte",
    # retargeting
    "From": "Von",
    "To": "Auf",
    "Its bones": "Dessen Knochen",
    "Preset": "Vorlage",
    "Bone": "Knochen",
    "Name": "Name",
    "Plant feet": "Füße aufsetzen",
    "Hands reach": "Hände greifen",
    "Root motion": "Wurzelbewegung",
    "Live": "Mitlaufend",
    "An armature with an action": "Ein Skelett mit einer Aktion",
    "The armature that is to move": "Das Skelett, das sich bewegen soll",
    "What the bones of the source are": "Was die Knochen der Quelle sind",
    "What the bones of the target are": "Was die Knochen des Ziels sind",
    "The preset that fits, or what the bones look like": "Die passende Vorlage, oder wonach die Knochen aussehen",
    "The target's bone for this part of the body": "Der Knochen des Ziels für diesen Teil des Körpers",
    "How firmly feet keep the footprints of the source": "Wie fest Füße in den Abdrücken der Quelle bleiben",
    "Hands come to where the source's are, by the scale of the legs": (
        "Hände kommen dorthin, wo die der Quelle sind, im Maßstab der Beine"
    ),
    "The way over the ground goes to the rig's ground bone, as engines like it": (
        "Der Weg über den Boden geht auf den Bodenknochen des Rigs, wie Spiele-Engines es mögen"
    ),
    "The target follows at the frame that is shown while the bones are chosen": (
        "Das Ziel folgt im gezeigten Bild, während die Knochen gewählt werden"
    ),
    "Of the preset to be saved": "Der Vorlage, die gesichert wird",
    "Find out which bone of the target is which, to be looked at and corrected": (
        "Herausfinden, welcher Knochen des Ziels welcher ist, zum Ansehen und Verbessern"
    ),
    "Give the target an action that moves it as the source moves; again after the source was changed": (
        "Dem Ziel eine Aktion geben, die es wie die Quelle bewegt; noch einmal, wenn die Quelle geändert wurde"
    ),
    "Retarget every selected armature with an action to the target: an action each": (
        "Jedes gewählte Skelett mit Aktion auf das Ziel übertragen: je eine Aktion"
    ),
    "Retarget the source to every selected armature: an action each, bones found by themselves": (
        "Die Quelle auf jedes gewählte Skelett übertragen: je eine Aktion, die Knochen werden selbst gefunden"
    ),
    "Pose the target as the source stands at rest, to be looked at and corrected by hand": (
        "Das Ziel so stellen, wie die Quelle in Ruhe steht, zum Ansehen und Verbessern von Hand"
    ),
    "Take the pose that the target has now as the one that matches the source's rest pose": (
        "Die jetzige Haltung des Ziels als die nehmen, die der Ruhelage der Quelle entspricht"
    ),
    "Save the bones and the rest alignment as a preset: a file that can be shared": (
        "Knochen und Ruhelage als Vorlage sichern: eine Datei, die man weitergeben kann"
    ),
    "Add a preset that somebody shared; nothing in it is executed": (
        "Eine Vorlage von jemand anderem hinzufügen; nichts darin wird ausgeführt"
    ),
    # export
    "Format": "Format",
    "Kind of file": "Art der Datei",
    "For": "Für",
    "Mesh": "Netz",
    "The video's rate": "Bildrate des Videos",
    "FBX": "FBX",
    "glTF": "glTF",
    "BVH": "BVH",
    "USD": "USD",
    "Alembic": "Alembic",
    "AMASS": "AMASS",
    "CSV": "CSV",
    "Blender": "Blender",
    "Unreal": "Unreal",
    "Unity": "Unity",
    "Mixamo names": "Mixamo-Namen",
    "For game engines and other programs": "Für Spiele-Engines und andere Programme",
    "For the web and engines: one binary file": "Für das Netz und Engines: eine Binärdatei",
    "The skeleton's motion as text": "Die Bewegung des Skeletts als Text",
    "Skeleton, mesh and motion": "Skelett, Netz und Bewegung",
    "The mesh as it deforms": "Das Netz, wie es sich verformt",
    "A take as researchers know it, for SMPL": "Eine Aufnahme, wie Forscher sie kennen, für SMPL",
    "Where each joint is on each frame": "Wo jedes Gelenk in jedem Bild ist",
    "The program that will read it: unit, axes, root and names of bones are as it likes them": (
        "Das Programm, das sie lesen wird: Einheit, Achsen, Wurzel und Knochennamen, wie es sie mag"
    ),
    "With the mesh, or the skeleton alone": "Mit dem Netz, oder das Skelett allein",
    "As many frames a second as the video has, in place of the scene's": (
        "So viele Bilder in der Sekunde, wie das Video hat, statt denen der Szene"
    ),
    "Write the active rig's motion, as it moves now, for another program": (
        "Die Bewegung des aktiven Rigs, wie es sich jetzt bewegt, für ein anderes Programm schreiben"
    ),
    # import
    "Smooth": "Glätten",
    "INT Mocap motion": "INT-Mocap-Bewegung",
    "How much to smooth; 0 keeps the motion as it is": "Wie stark geglättet wird; 0 lässt die Bewegung, wie sie ist",
    "Bring in motion that is there already: takes, AMASS, BVH, results of GVHMR, WHAM, TRAM, 4D-Humans and others": (
        "Vorhandene Bewegung einlesen: Aufnahmen, AMASS, BVH, Ergebnisse von GVHMR, WHAM, TRAM, 4D-Humans und anderen"
    ),
    # stages
    "Starting the inference process": "Inferenzprozess startet",
    "Finding people": "Personen finden",
    "Fitting the motion": "Bewegung anpassen",
    "Reading the pictures": "Bilder lesen",
    "Building the rig": "Rig bauen",
    "Stopping": "Beenden",
    "Making the environment:": "Umgebung anlegen:",
    "Disk:": "Platte:",
    "Installing": "Installieren:",
    "Checking:": "Prüfen:",
    "Done:": "Fertig:",
    "waiting": "warten",
    "left": "übrig",
    "keys": "Keyframes",
}
TRANSLATIONS = {
    "de_DE": {
        **{("Operator", english): german for english, german in BUTTONS_DE.items()},
        **{("*", english): german for english, german in (WORDS_DE | BUTTONS_DE).items()},
    }
}


def register() -> None:
    """Tell Blender the words."""
    bpy.app.translations.register(__package__, TRANSLATIONS)


def unregister() -> None:
    """Take them back."""
    bpy.app.translations.unregister(__package__)
