"""How the free body was made: MakeHuman's CC0 assets, brought into SMPL's layout."""
