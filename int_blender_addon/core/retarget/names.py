"""What names of bones say: the side, and the parts of the body they may mean, in several rigs' ways and languages."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

LEFT, RIGHT = "left", "right"
_SIDES = {
    LEFT: "l left lft links linker linkes linke izq izquierda izquierdo gauche gch sinistra sinistro sx esq esquerda "
    "esquerdo hidari 左 левый левая лев",
    RIGHT: "r right rgt rechts rechter rechtes rechte der derecha derecho droite droit drt destra destro dx dir "
    "direita direito migi 右 правый правая прав",
}
SIDE_WORDS = {word: side for side, words in _SIDES.items() for word in words.split()}

_WORDS = {
    "hips": "hips hip pelvis becken huefte hufte bassin hanches cadera caderas pelvi bacino quadril pelve cog "
    "centerofmass hara センター 腰 таз",
    "spine": "spine chest upperchest lowerchest abdomen abdomenlower abdomenupper chestlower chestupper waist torso "
    "back ribs ribcage thorax wirbel wirbelsaule ruecken rucken brust columna espalda pecho torse colonne dos "
    "schiena petto coluna peito 上半身 позвоночник грудь",
    "neck": "neck necklower neckupper necktwist hals cou cuello collo pescoco 首 шея",
    "head": "head kopf tete cabeza testa cabeca 頭 голова skull",
    "clavicle": "clavicle collar collarbone shoulder clav schluesselbein schlusselbein schulter clavicula clavicola "
    "epaule hombro spalla ombro 肩 ключица плечо scapula",
    "upper_arm": "upperarm arm uparm shldr shldrbend shoulder humerus oberarm brazo bras braccio braco 腕 armupper "
    "armup рука uarm",
    "forearm": "forearm lowerarm elbow lowarm unterarm antebrazo avantbras avambraccio antebraco ひじ forearmbend "
    "armlower armlow ellbogen coude codo предплечье larm radius",
    "hand": "hand wrist mano main mao 手首 handgelenk poignet muneca polso кисть palm",
    "thigh": "thigh upleg upperleg hip hipjoint femur oberschenkel muslo cuisse coscia coxa 足 thighbend legupper "
    "legup бедро uleg",
    "shin": "shin calf lowerleg lowleg leg knee tibia unterschenkel espinilla pantorrilla mollet polpaccio canela "
    "jambe ひざ leglower leglow knie genou rodilla голень lleg",
    "foot": "foot ankle fuss fus pie pied piede pe 足首 стопа knoechel knochel cheville tobillo",
    "toe": "toe toes toebase ball foot zehen zehe orteils dedos つま先 ballen toejoint metatarsals носок",
    "thumb": "thumb handthumb daumen pouce pulgar pollice 親指",
    "index": "index handindex indexfinger fingerindex zeigefinger 人指",
    "middle": "middle mid handmiddle middlefinger fingermiddle mittelfinger 中指",
    "ring": "ring handring ringfinger fingerring 薬指",
    "pinky": "pinky little handpinky pinkyfinger fingerpinky littlefinger kleinerfinger 小指",
}
MEANINGS: dict[str, set[str]] = {}
for _part, _words in _WORDS.items():
    for _word in _words.split():
        MEANINGS.setdefault(_word, set()).add(_part)
HELPERS = {
    "ik", "pole", "target", "ctrl", "mch", "vis", "tweak", "jiggle", "corrective", "helper", "master", "gizmo",
    "eye", "jaw", "brow", "lid", "lip", "cheek", "ear", "nose", "tongue", "teeth", "tooth", "hair", "cloth", "skirt",
    "breast", "pectoral", "weapon", "prop", "attach", "socket", "camera", "metacarpal", "carpal", "heel", "properties",
}  # fmt: skip
TWIST_WORDS = {"twist", "roll", "share"}
_PREFIXES = ("mixamorig", "bip001", "bip01", "bip", "cc_base_", "j_bip_", "valvebiped", "def-", "org-", "b_", "bn_")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")


def words(name: str) -> list[str]:
    """The words of a bone's name, in small letters, accents taken off, numbers apart."""
    name = name.rsplit(":", 1)[-1].rsplit("|", 1)[-1]
    for prefix in _PREFIXES:
        if name.lower().startswith(prefix) and len(name) > len(prefix):
            name = name[len(prefix) :]
            break
    plain = "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c) or ord(c) > 0x3000)
    plain = unicodedata.normalize("NFC", plain)
    for sign in "左右":
        plain = plain.replace(sign, f" {sign} ")
    return [word.lower() for word in _WORD.findall(plain)]


def side(name: str) -> str:
    """`left`, `right`, or nothing."""
    found = words(name)
    for word in (*found[-1:], *found[:1], *found):
        if word in SIDE_WORDS:
            return SIDE_WORDS[word]
    return ""


def meanings(name: str) -> set[str]:
    """Parts of the body that a name may mean; empty if it says nothing."""
    own = [word for word in words(name) if word not in SIDE_WORDS and not word.isdigit() and word not in {"c", "m"}]
    own = [word for word in own if word not in {"bone", "jnt", "joint", "def", "fk", "j", "end", "base", "bend"}] or own
    whole = "".join(own)
    if whole in MEANINGS:
        return MEANINGS[whole]
    tried = [first + second for first, second in pairwise(own)] + own[::-1]
    for word in tried:
        if word in MEANINGS:
            return MEANINGS[word]
    return set()


def is_helper(name: str) -> bool:
    """Whether the name is of something that is no part of the skeleton proper."""
    return bool(set(words(name)) & HELPERS)


def is_twist(name: str) -> bool:
    """Whether the name is of a bone that only shares a twist."""
    found = set(words(name))
    return bool(found & TWIST_WORDS) and "neck" not in found
