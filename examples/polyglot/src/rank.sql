-- The wettest station first, from what `refine` made in Python.
create temporary view ranked as
  select rank() over (order by mm desc) as place, station, days, mm
  from AMACONTEXT_refine_wet;

select * from ranked order by place;
