DROP TABLE connections;
DROP TABLE grants;
DROP TABLE activations;
DROP TABLE versions;
DROP TABLE plugins;
