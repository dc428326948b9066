# What people take away.
cd "$AMA_OUTPUT_ROOT"
tar -czf rain.tar.gz chart.txt wet
ls wet chart.txt | wc -l
