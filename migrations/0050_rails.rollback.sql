drop schema rails cascade;
