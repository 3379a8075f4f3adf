DROP TABLE key_hashes;
DROP TABLE keys;
