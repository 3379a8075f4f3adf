DROP TABLE charges;
DROP TABLE budgets;
