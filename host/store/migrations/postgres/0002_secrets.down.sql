DROP TABLE settings;
DROP TABLE secrets;
