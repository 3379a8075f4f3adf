ALTER TABLE runs DROP COLUMN node;
DROP TABLE generations;
DROP TABLE nodes;
