module example.com/otherkind

go 1.26
